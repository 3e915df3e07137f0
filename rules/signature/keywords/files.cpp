/// Files: their data, names, types, sizes and hashes; filestore.
#include <algorithm>
#include <fstream>
#include <unordered_set>

#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

const BufferRegistration buffers_registration{
    "file",
    "",
    {
        {"file.data",
         "content of a file, decompressed",
         "content:\"MZ\"; startswith;",
         {"file_data"},
         "",
         true},
        {"file.name", "name of a file", "content:\".exe\"; endswith;", {}, "", true},
        {"file.magic", "type of a file as libmagic names it", "content:\"PE32\";", {}, "", true},
    }};

using R = FileTest::Result;
R yes_no(bool yes, bool negated) { return yes != negated ? R::yes : R::no; }
std::string_view base_name(std::string_view name) {
  const auto at = name.find_last_of("/\\");
  return at == std::string_view::npos ? name : name.substr(at + 1);
}

R name_test(const FileTest& t, const File& f, bool) {
  const auto have = lower(f.name);
  return yes_no(have.find(t.text) != std::string::npos, t.negated);
}
R extension_test(const FileTest& t, const File& f, bool) {
  const auto have = lower(base_name(f.name));
  return yes_no(have.size() > t.text.size() && have.ends_with(t.text) &&
                    have[have.size() - t.text.size() - 1] == '.',
                t.negated);
}
R size_test(const FileTest& t, const File& f, bool) {
  if (f.state == FileState::open) return R::not_yet;
  // Of a file that was not seen whole only a lower bound is sure.
  const bool lower_bound = !t.number.negate && t.number.lo > 0 && t.number.hi == UINT64_MAX &&
                           t.number.mask == UINT64_MAX;
  return yes_no((f.state == FileState::closed || lower_bound) && t.number.test(f.size), false);
}
R magic_test(const FileTest& t, const File& f, bool) {
  if (f.magic.empty()) return f.state == FileState::open ? R::not_yet : R::no;
  return yes_no(
      lower(f.magic).find(*static_cast<const std::string*>(t.data.get())) != std::string::npos,
      t.negated);
}
using Hashes = std::unordered_set<std::string>;
template <std::string File::* Member>
R hash_test(const FileTest& t, const File& f, bool) {
  if (f.state == FileState::open) return R::not_yet;
  const auto& have = f.*Member;
  if (have.empty()) return R::no;
  return yes_no(static_cast<const Hashes*>(t.data.get())->contains(have), t.negated);
}
R always(const FileTest&, const File&, bool) { return R::yes; }

Result<std::string, std::string> quoted(std::string_view value, bool& negated) {
  value = trim(value);
  if (value.starts_with('!')) {
    negated = true;
    value = trim(value.substr(1));
  }
  if (const auto q = unquote(value)) value = *q;
  return decode_content(value);
}

Status add(RuleBuilder& b, FileTest t) {
  b.file_stage().file_tests.push_back(std::move(t));
  return {};
}
template <R (*Test)(const FileTest&, const File&, bool)>
Status text_setup(RuleBuilder& b, const Option& o, const Keyword&) {
  FileTest t;
  t.test = Test;
  auto v = quoted(o.value, t.negated);
  if (!v) return bad(v.error());
  t.text = lower(*v);
  return add(b, std::move(t));
}
Status magic_setup(RuleBuilder& b, const Option& o, const Keyword&) {
  FileTest t;
  t.test = &magic_test;
  auto v = quoted(o.value, t.negated);
  if (!v) return bad(v.error());
  t.data = std::make_shared<const std::string>(lower(*v));
  t.text = "magic";
  return add(b, std::move(t));
}
Status size_setup(RuleBuilder& b, const Option& o, const Keyword&) {
  FileTest t;
  t.test = &size_test;
  auto v = trim(o.value);
  for (const auto& [word, dir] : {std::pair<std::string_view, Dir>{"to_client", Dir::to_client},
                                  {"to_server", Dir::to_server}})
    if (v.starts_with(word)) {
      const auto comma = v.find(',');
      if (comma == std::string_view::npos) return bad("needs a size after the direction");
      b.file_stage().only_dir = dir;
      v = trim(v.substr(comma + 1));
    }
  auto n = parse_number_test(v, UINT64_MAX);
  if (!n) return bad(n.error());
  t.number = *n;
  return add(b, std::move(t));
}
template <std::string File::* Member, std::size_t Digits>
Status hash_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  FileTest t;
  t.test = &hash_test<Member>;
  t.text = k.name.substr(4);  // "md5": the engine asks the sensor for it
  auto v = trim(o.value);
  if (v.starts_with('!')) {
    t.negated = true;
    v = trim(v.substr(1));
  }
  std::string path(v);
  if (!path.starts_with('/'))
    path = (b.options().base_folder.empty() ? "." : b.options().base_folder) + "/" + path;
  std::ifstream in(path);
  if (!in) return bad("cannot read '" + path + "'");
  auto hashes = std::make_shared<Hashes>();
  std::string line;
  std::size_t number = 0;
  while (std::getline(in, line)) {
    ++number;
    const auto text = trim(line);
    if (text.empty() || text.front() == '#') continue;
    const auto hash = lower(text.substr(0, Digits));
    if (hash.size() != Digits || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
      return bad("'" + path + "' line " + std::to_string(number) +
                 " does not start with a hash of " + std::to_string(Digits) + " digits");
    hashes->insert(hash);
  }
  t.data = hashes;
  return add(b, std::move(t));
}

enum : std::uint64_t { scope_file = 0, scope_tx = 1, scope_flow = 2 };
/// Bits of FlowData::store_files; none: the direction of the packet that matched.
enum : std::uint64_t { dir_default = 0, dir_to_server = 1, dir_to_client = 2, dir_both = 3 };

std::uint8_t bit_of(Dir dir) { return dir == Dir::to_server ? dir_to_server : dir_to_client; }

void store(const PostAction& a, MatchServices& m) {
  if (m.tx == nullptr || m.flow == nullptr) return;
  // The files that matched know the rule. A condition on files that held before this packet has
  // forgotten which they were.
  const auto chosen = [&](const File* f) {
    return f->dir == m.dir && (m.files.empty() || std::ranges::find(m.files, f) != m.files.end());
  };
  const auto sid = m.rule->info.sid;
  for (auto* f : m.tx->files) {
    if (!chosen(f)) continue;
    if (a.a == scope_file) f->stored = true;
    if (std::ranges::find(f->sids, sid) == f->sids.end() && f->sids.size() < 64)
      f->sids.push_back(sid);
  }
  const auto dirs = a.b == dir_default ? bit_of(m.dir) : static_cast<std::uint8_t>(a.b);
  auto& data = FlowData::of(*m.flow);
  constexpr std::size_t most = 64;
  if (a.a == scope_flow)
    data.store_files |= dirs;
  else if (a.a == scope_tx && data.store_tx.size() < most)
    data.store_tx.push_back({m.tx->id, dirs});
}
Status filestore(RuleBuilder& b, const Option& o, const Keyword&) {
  PostAction a;
  a.run = &store;
  a.text = "filestore";
  // Whoever names a direction and no scope means the transaction.
  if (!trim(o.value).empty()) a.a = scope_tx;
  for (const auto w : split_list(o.value)) {
    if (w == "to_server" || w == "request")
      a.b = dir_to_server;
    else if (w == "to_client" || w == "response")
      a.b = dir_to_client;
    else if (w == "both")
      a.b = dir_both;
    else if (w == "tx")
      a.a = scope_tx;
    else if (w == "flow" || w == "ssn")
      a.a = scope_flow;
    else if (w == "file")
      a.a = scope_file;
    else
      return bad("unknown word '" + std::string(w) + "'");
  }
  b.action(std::move(a));
  FileTest t;
  t.test = &always;
  return add(b, std::move(t));
}

using V = Keyword::Value;
const KeywordRegistration registration{{
    {.name = "filename",
     .group = "file",
     .summary = "the file's name holds this, in any case",
     .example = "filename:\"invoice\";",
     .setup = &text_setup<&name_test>},
    {.name = "fileext",
     .group = "file",
     .summary = "extension of the file's name, in any case",
     .example = "fileext:\"exe\";",
     .setup = &text_setup<&extension_test>},
    {.name = "filemagic",
     .group = "file",
     .summary = "libmagic's text holds this, in any case",
     .example = "filemagic:\"PDF document\";",
     .setup = &magic_setup},
    {.name = "filesize",
     .group = "file",
     .summary = "size of the file, when it is whole",
     .example = "filesize:>10MB;",
     .setup = &size_setup},
    {.name = "filemd5",
     .group = "file",
     .summary = "MD5 is in a list",
     .example = "",
     .notes = "filemd5:list.md5; or !list.md5",
     .setup = &hash_setup<&File::md5, 32>},
    {.name = "filesha1",
     .group = "file",
     .summary = "SHA-1 is in a list",
     .example = "",
     .notes = "filesha1:list.sha1;",
     .setup = &hash_setup<&File::sha1, 40>},
    {.name = "filesha256",
     .group = "file",
     .summary = "SHA-256 is in a list",
     .example = "",
     .notes = "filesha256:list.sha256;",
     .setup = &hash_setup<&File::sha256, 64>},
    {.name = "filestore",
     .group = "file",
     .summary = "keeps the file",
     .example = "filestore;",
     .notes = "direction and scope: to_server,flow",
     .value = V::optional,
     .setup = &filestore},
}};

}  // namespace
}  // namespace ww::sig
