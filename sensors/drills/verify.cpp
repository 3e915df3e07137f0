#include "sensors/drills/verify.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <memory>

#include "sensors/drills/scratch.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::drills {
namespace json = boost::json;
namespace fs = std::filesystem;
namespace {

constexpr std::size_t max_said = 20;

/// A path below root that does not leave it, also through links.
std::string within(const fs::path& root, const std::string& relative) {
  std::error_code ec;
  const auto base = fs::canonical(root, ec);
  if (ec) return {};
  const auto full = fs::canonical(base / relative, ec);
  if (ec) return {};
  const auto text = full.string();
  return text.starts_with(base.string() + "/") ? text : std::string();
}

std::string sha256_file(const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> c(EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free);
  if (EVP_DigestInit_ex(c.get(), EVP_sha256(), nullptr) != 1) return {};
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  std::vector<char> buffer(1U << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    EVP_DigestUpdate(c.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_DigestFinal_ex(c.get(), digest, &n);
  std::string out;
  append_hex(out, {digest, n});
  return out;
}

/// `sha256sum` lines: 64 hex digits, a space, a space or *, a path relative to the manifest.
void check_manifest(const fs::path& root, const std::string& name, VerifyResult& r) {
  const auto path = within(root, name);
  std::ifstream in(path);
  if (path.empty() || !in) {
    r.failed.push_back("manifest: " + name + " was not restored");
    return;
  }
  std::string line;
  std::size_t good = 0, bad = 0;
  while (std::getline(in, line)) {
    if (line.size() < 67 || line[64] != ' ') continue;
    const auto file = line.substr(66);
    const auto relative = (fs::path(name).parent_path() / file).lexically_normal().string();
    const auto full = within(root, relative);
    if (!full.empty() && sha256_file(full) == line.substr(0, 64)) {
      ++good;
    } else if (++bad <= max_said) {
      r.failed.push_back("checksums: " + relative + (full.empty() ? " is missing" : " differs"));
    }
  }
  if (bad > max_said)
    r.failed.push_back("checksums: " + std::to_string(bad - max_said) + " more differ");
  if (good + bad == 0) r.failed.push_back("manifest: " + name + " lists no file");
  if (bad == 0 && good > 0) {
    r.passed.push_back("manifest: " + name);
    r.passed.push_back("checksums: " + std::to_string(good) + " files");
  }
}

struct CloseDb {
  void operator()(sqlite3* p) const { sqlite3_close(p); }
};
struct Finalise {
  void operator()(sqlite3_stmt* p) const { sqlite3_finalize(p); }
};

std::string first_value(sqlite3* db, const std::string& sql, std::string& error) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), static_cast<int>(sql.size()), &raw, nullptr) !=
          SQLITE_OK ||
      raw == nullptr) {
    error = sqlite3_errmsg(db);
    return {};
  }
  const std::unique_ptr<sqlite3_stmt, Finalise> s(raw);
  if (sqlite3_stmt_readonly(s.get()) == 0) {
    error = "the query would write";
    return {};
  }
  if (sqlite3_step(s.get()) != SQLITE_ROW) {
    error = std::string("no row: ") + sqlite3_errmsg(db);
    return {};
  }
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s.get(), 0));
  return text == nullptr ? "" : text;
}

void check_sqlite(const fs::path& root, const DatabaseCheck& d, VerifyResult& r) {
  const auto path = within(root, d.path);
  if (path.empty()) {
    r.failed.push_back("opens: " + d.path + " was not restored");
    return;
  }
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
      uri += hex;
    } else {
      uri += c;
    }
  }
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2((uri + "?mode=ro").c_str(), &raw,
                                     SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  const std::unique_ptr<sqlite3, CloseDb> db(raw);
  if (opened != SQLITE_OK) {
    r.failed.push_back("opens: " + d.path + ": " + sqlite3_errmsg(db.get()));
    return;
  }
  sqlite3_db_config(db.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  std::string error;
  const auto whole = first_value(db.get(), "PRAGMA integrity_check(1)", error);
  if (whole != "ok") {
    r.failed.push_back("opens: " + d.path + ": " + (error.empty() ? whole : error).substr(0, 200));
    return;
  }
  r.passed.push_back("opens: " + d.path);
  for (const auto& q : d.queries) {
    error.clear();
    const auto value = first_value(db.get(), q.sql, error);
    double number = 0;
    const bool is_number =
        std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc();
    const bool ok = error.empty() && (!q.expect || value == *q.expect) &&
                    (!q.min || (is_number && number >= *q.min));
    (ok ? r.passed : r.failed)
        .push_back("queries: " + q.sql.substr(0, 120) + " = " +
                   (error.empty() ? value.substr(0, 120) : error.substr(0, 120)));
  }
}

std::string text(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}
std::vector<std::string> texts(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  const auto* v = o.if_contains(name);
  if (v != nullptr && v->is_array())
    for (const auto& x : v->get_array())
      if (x.is_string()) out.emplace_back(x.get_string());
  return out;
}

}  // namespace

VerifyResult verify(const std::string& root, const RestoreTarget& target) {
  VerifyResult r;
  const auto size = tree_size(root);
  r.files = size.files;
  r.octets = size.octets;
  (r.files >= target.min_files ? r.passed : r.failed)
      .push_back("count: " + std::to_string(r.files) + " files, at least " +
                 std::to_string(target.min_files) + " wanted");
  for (const auto& m : target.manifest) check_manifest(root, m, r);
  for (const auto& f : target.files) {
    const auto path = within(root, f);
    std::error_code ec;
    const bool good = !path.empty() && fs::is_regular_file(path, ec) && fs::file_size(path, ec) > 0;
    (good ? r.passed : r.failed).push_back("file: " + f);
  }
  for (const auto& d : target.databases)
    if (d.type == "sqlite") check_sqlite(root, d, r);
  return r;
}

std::string verify_spec(const std::string& root, const RestoreTarget& t) {
  json::array databases;
  for (const auto& d : t.databases) {
    json::array queries;
    for (const auto& q : d.queries) {
      json::object o{{"sql", q.sql}};
      if (q.expect) o["expect"] = *q.expect;
      if (q.min) o["min"] = *q.min;
      queries.push_back(std::move(o));
    }
    databases.push_back({{"type", d.type}, {"path", d.path}, {"queries", std::move(queries)}});
  }
  return json::serialize(json::object{{"root", root},
                                      {"manifest", json::value_from(t.manifest)},
                                      {"files", json::value_from(t.files)},
                                      {"min_files", t.min_files},
                                      {"databases", std::move(databases)}});
}

Result<std::pair<std::string, RestoreTarget>, std::string> read_verify_spec(std::string_view in) {
  boost::system::error_code ec;
  const auto v = json::parse(in, ec);
  if (ec || !v.is_object()) return fail(std::string("no JSON object"));
  const auto& o = v.get_object();
  RestoreTarget t;
  t.manifest = texts(o, "manifest");
  t.files = texts(o, "files");
  if (const auto* n = o.if_contains("min_files"); n != nullptr && n->is_number())
    t.min_files = n->to_number<std::uint64_t>(ec);
  if (const auto* list = o.if_contains("databases"); list != nullptr && list->is_array())
    for (const auto& x : list->get_array()) {
      if (!x.is_object()) continue;
      DatabaseCheck d;
      d.type = text(x.get_object(), "type");
      d.path = text(x.get_object(), "path");
      if (const auto* qs = x.get_object().if_contains("queries"); qs != nullptr && qs->is_array())
        for (const auto& y : qs->get_array()) {
          if (!y.is_object()) continue;
          QueryCheck q;
          q.sql = text(y.get_object(), "sql");
          if (y.get_object().contains("expect")) q.expect = text(y.get_object(), "expect");
          if (const auto* m = y.get_object().if_contains("min"); m != nullptr && m->is_number())
            q.min = m->to_number<double>(ec);
          d.queries.push_back(std::move(q));
        }
      t.databases.push_back(std::move(d));
    }
  return std::pair{text(o, "root"), std::move(t)};
}

std::string verify_result(const VerifyResult& r) {
  return json::serialize(json::object{{"files", r.files},
                                      {"octets", r.octets},
                                      {"passed", json::value_from(r.passed)},
                                      {"failed", json::value_from(r.failed)}});
}

Result<VerifyResult, std::string> read_verify_result(std::string_view in) {
  boost::system::error_code ec;
  const auto v = json::parse(in, ec);
  if (ec || !v.is_object()) return fail(std::string("no JSON object"));
  const auto& o = v.get_object();
  VerifyResult r;
  if (const auto* n = o.if_contains("files"); n != nullptr && n->is_number())
    r.files = n->to_number<std::uint64_t>(ec);
  if (const auto* n = o.if_contains("octets"); n != nullptr && n->is_number())
    r.octets = n->to_number<std::uint64_t>(ec);
  r.passed = texts(o, "passed");
  r.failed = texts(o, "failed");
  return r;
}

}  // namespace ww::drills
