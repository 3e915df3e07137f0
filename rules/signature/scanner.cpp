#include "rules/signature/scanner.hpp"

#include <hs.h>

#include <algorithm>
#include <cstdlib>

namespace ww::sig {

Scanner::~Scanner() { drop(); }
void Scanner::drop() {
  if (db_) hs_free_database(std::exchange(db_, nullptr));
}
Scanner::Scanner(Scanner&& o) noexcept
    : name(std::move(o.name)),
      patterns_(std::move(o.patterns_)),
      sealed_(std::move(o.sealed_)),
      first_(std::move(o.first_)),
      values_(std::move(o.values_)),
      db_(std::exchange(o.db_, nullptr)),
      longest_(o.longest_),
      expressions_(o.expressions_) {}

void Scanner::add(Pattern pattern, std::uint32_t value) {
  auto& list = patterns_[std::move(pattern)];
  if (list.empty() || list.back() != value) list.push_back(value);
}

void Scanner::add(std::string_view pattern, bool nocase, std::uint32_t value) {
  add({std::string(pattern), HS_FLAG_SINGLEMATCH | (nocase ? HS_FLAG_CASELESS : 0U)}, value);
}

void Scanner::add_expression(std::string_view pattern, unsigned flags, std::uint32_t value) {
  expressions_ = true;
  add({std::string(pattern), flags | HS_FLAG_SINGLEMATCH}, value);
}

void Scanner::seal() {
  first_.push_back(0);
  for (auto& [pattern, list] : patterns_) {
    longest_ = std::max(longest_, pattern.octets.size());
    sealed_.push_back(pattern);
    values_.insert(values_.end(), list.begin(), list.end());
    first_.push_back(static_cast<std::uint32_t>(values_.size()));
  }
  patterns_.clear();
  values_.shrink_to_fit();
}

void Scanner::append_identity(std::string& out) const {
  for (const auto& p : sealed_) {
    const std::uint32_t parts[] = {static_cast<std::uint32_t>(p.octets.size()), p.flags};
    out.append(reinterpret_cast<const char*>(parts), sizeof parts);
    out += p.octets;
  }
  out.append(expressions_ ? "\xff\xff\xff\xfe" : "\xff\xff\xff\xff", 4);
}

Result<void, std::string> Scanner::compile() {
  if (sealed_.empty()) return {};
  return expressions_ ? compile_expressions() : compile_literals();
}

Result<void, std::string> Scanner::compile_literals() {
  std::vector<const char*> text;
  std::vector<unsigned> flags, ids;
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < sealed_.size(); ++i) {
    text.push_back(sealed_[i].octets.data());
    lengths.push_back(sealed_[i].octets.size());
    flags.push_back(sealed_[i].flags);
    ids.push_back(static_cast<unsigned>(i));
  }
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(text.data(), flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(text.size()), HS_MODE_BLOCK, nullptr, &db_,
                           &error) != HS_SUCCESS) {
    std::string why = error ? error->message : "unknown error";
    hs_free_compile_error(error);
    return tl::unexpected<std::string>("cannot compile the patterns of " + name + ": " + why);
  }
  sealed_.shrink_to_fit();
  return {};
}

/// An expression that the compiler refuses becomes one that always matches: it is only ever asked
/// whether more work can be spared. The database alone, kept in a cache, says all of that.
Result<void, std::string> Scanner::compile_expressions() {
  std::vector<const char*> text;
  std::vector<unsigned> flags, ids;
  for (std::size_t i = 0; i < sealed_.size(); ++i) {
    text.push_back(sealed_[i].octets.c_str());
    flags.push_back(sealed_[i].flags);
    ids.push_back(static_cast<unsigned>(i));
  }
  const auto always = [&](std::size_t i) {
    text[i] = ".*";
    flags[i] = HS_FLAG_DOTALL | HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH;
  };
  std::string why;
  for (std::size_t attempt = 0; attempt <= text.size(); ++attempt) {
    hs_compile_error_t* error = nullptr;
    if (hs_compile_multi(text.data(), flags.data(), ids.data(), static_cast<unsigned>(text.size()),
                         HS_MODE_BLOCK, nullptr, &db_, &error) == HS_SUCCESS)
      return {};
    const int which = error ? error->expression : -1;
    why = error ? error->message : "unknown error";
    hs_free_compile_error(error);
    if (which >= 0 && static_cast<std::size_t>(which) < text.size())
      always(static_cast<std::size_t>(which));
    else
      for (std::size_t i = 0; i < text.size(); ++i) always(i);  // too much together
  }
  return tl::unexpected<std::string>("cannot compile the expressions of " + name + ": " + why);
}

bool Scanner::restore(std::string_view serialised) {
  if (sealed_.empty()) return serialised.empty();
  return hs_deserialize_database(serialised.data(), serialised.size(), &db_) == HS_SUCCESS;
}

std::string Scanner::serialise() const {
  if (!db_) return {};
  char* octets = nullptr;
  std::size_t n = 0;
  if (hs_serialize_database(db_, &octets, &n) != HS_SUCCESS) return {};
  std::string out(octets, n);
  std::free(octets);
  return out;
}

std::size_t Scanner::octets() const {
  std::size_t n = 0;
  if (db_) hs_database_size(db_, &n);
  return n;
}

struct ScanContext {
  const Scanner* scanner;
  void (*f)(void*, std::uint32_t);
  void* context;
  static int on_match(unsigned id, unsigned long long, unsigned long long, unsigned, void* p) {
    const auto* c = static_cast<ScanContext*>(p);
    for (auto i = c->scanner->first_[id]; i < c->scanner->first_[id + 1]; ++i)
      c->f(c->context, c->scanner->values_[i]);
    return 0;
  }
};

namespace {
/// The scanner takes 32-bit lengths; buffers here are far shorter.
constexpr std::size_t most_scanned = 1U << 30;
}  // namespace

bool Scanner::occurs(Bytes data, hs_scratch* scratch) const {
  if (!db_ || data.size() > most_scanned) return true;
  return hs_scan(
             db_, reinterpret_cast<const char*>(data.data()), static_cast<unsigned>(data.size()), 0,
             scratch,
             [](unsigned, unsigned long long, unsigned long long, unsigned, void*) { return 1; },
             nullptr) == HS_SCAN_TERMINATED;
}

void Scanner::scan(Bytes data, hs_scratch* scratch, void (*f)(void*, std::uint32_t),
                   void* context) const {
  if (!db_ || data.empty()) return;
  ScanContext c{this, f, context};
  hs_scan(db_, reinterpret_cast<const char*>(data.data()),
          static_cast<unsigned>(std::min(data.size(), most_scanned)), 0, scratch,
          &ScanContext::on_match, &c);
}

}  // namespace ww::sig
