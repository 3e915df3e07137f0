#include "collector/identity/accounts.hpp"

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "collector/identity/secrets.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

using Kind = AccountError::Kind;
constexpr std::array<std::string_view, 7> role_names{"none",    "ingest", "metrics", "auditor",
                                                     "analyst", "lead",   "admin"};

constexpr sql::Migration migrations[] = {{1, "accounts", R"(
CREATE TABLE users(name TEXT PRIMARY KEY, full_name TEXT NOT NULL, role TEXT NOT NULL, sites TEXT NOT NULL,
  password TEXT NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL, last_login INTEGER NOT NULL) STRICT;
CREATE TABLE sessions(hash TEXT PRIMARY KEY, user TEXT NOT NULL, csrf TEXT NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL) STRICT;
CREATE TABLE login_links(hash TEXT PRIMARY KEY, user TEXT NOT NULL, expires INTEGER NOT NULL) STRICT;
CREATE TABLE tokens(id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
  site TEXT NOT NULL, source TEXT NOT NULL, created_by TEXT NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL) STRICT;
CREATE TABLE enrolments(id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, site TEXT NOT NULL, sensor TEXT NOT NULL,
  created_by TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL,
  used_key TEXT NOT NULL) STRICT;
CREATE TABLE certificates(serial TEXT PRIMARY KEY, site TEXT NOT NULL, sensor TEXT NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, issued INTEGER NOT NULL, revoked INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE TABLE audit(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
  address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
)"}};

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ",") + p;
  return out;
}
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    out.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

bool valid_user_name(std::string_view n) {
  return !n.empty() && n.size() <= 64 && std::all_of(n.begin(), n.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           c == '@';
  });
}

auto refuse(Kind kind, std::string what) { return fail(AccountError{kind, std::move(what)}); }

/// Failed logins by key (user or address) within a window. Bounded: the key that failed longest ago
/// makes room.
class Failures {
 public:
  Failures(std::uint32_t limit, std::chrono::seconds window, std::uint32_t entries)
      : limit_(limit), window_(window), entries_(entries) {}
  bool locked(const std::string& key, Timestamp now) const {
    const auto it = counts_.find(key);
    return it != counts_.end() && it->second.count >= limit_ && now - it->second.first < window_;
  }
  void add(const std::string& key, Timestamp now) {
    auto& c = counts_[key];
    if (c.count == 0 || now - c.first >= window_) c = {0, now};
    ++c.count;
    if (counts_.size() > entries_)
      counts_.erase(std::min_element(
          counts_.begin(), counts_.end(),
          [](const auto& a, const auto& b) { return a.second.first < b.second.first; }));
  }
  void clear(const std::string& key) { counts_.erase(key); }

 private:
  struct Count {
    std::uint32_t count = 0;
    Timestamp first;
  };
  std::uint32_t limit_;
  std::chrono::seconds window_;
  std::uint32_t entries_;
  std::unordered_map<std::string, Count> counts_;
};

struct UserRow {
  User user;
  std::string password;
};
struct EnrolmentRow {
  Enrolment e;
  std::string hash, used_key;
};
struct SessionRow {
  Session session;
  Timestamp active;
};
struct Link {
  std::string user;
  Timestamp expires;
};

class AccountsImpl final : public Accounts {
 public:
  AccountsImpl(ControlDb& control, const Clock& clock, const AccountLimits& limits)
      : control_(control),
        clock_(clock),
        limits_(limits),
        by_user_(limits.user_failures, limits.failure_window, limits.failure_entries),
        by_address_(limits.address_failures, limits.failure_window, limits.failure_entries) {}

  Result<void, Problem> load() {
    if (auto made = control_.add_tables("identity", migrations); !made) return made;
    return control_.read([&](sql::Database& db) {
      auto u = db.prepare(
          "SELECT name, full_name, role, sites, password, disabled, created, last_login FROM "
          "users");
      while (u.step())
        users_[u.copy(0)] = {{u.copy(0),
                              u.copy(1),
                              parse_role(u.text(2)).value_or(Role::none),
                              split(u.text(3)),
                              u.integer(5) != 0,
                              {u.integer(6)},
                              {u.integer(7)}},
                             u.copy(4)};
      auto s = db.prepare("SELECT hash, user, csrf, created, expires FROM sessions");
      while (s.step())
        sessions_[s.copy(0)] = {{"", s.copy(2), s.copy(1), {s.integer(3)}, {s.integer(4)}},
                                clock_.now()};
      auto l = db.prepare("SELECT hash, user, expires FROM login_links");
      while (l.step()) links_[l.copy(0)] = {l.copy(1), {l.integer(2)}};
      auto t = db.prepare(
          "SELECT hash, id, name, role, site, source, created_by, created, expires FROM tokens");
      while (t.step())
        tokens_[t.copy(0)] = {
            t.copy(1),      t.copy(2),      parse_role(t.text(3)).value_or(Role::none),
            t.copy(4),      t.copy(5),      t.copy(6),
            {t.integer(7)}, {t.integer(8)}, {}};
      auto e = db.prepare(
          "SELECT id, hash, site, sensor, created_by, created, expires, used, used_key FROM "
          "enrolments");
      while (e.step())
        enrolments_[e.copy(0)] = {{e.copy(0),
                                   e.copy(2),
                                   e.copy(3),
                                   e.copy(4),
                                   {e.integer(5)},
                                   {e.integer(6)},
                                   {e.integer(7)}},
                                  e.copy(1),
                                  e.copy(8)};
      auto c = db.prepare(
          "SELECT serial, site, sensor, not_before, not_after, issued, revoked, reason FROM "
          "certificates");
      while (c.step())
        certificates_[c.copy(0)] = {c.copy(0),      c.copy(1),      c.copy(2),      c.copy(7),
                                    {c.integer(3)}, {c.integer(4)}, {c.integer(5)}, {c.integer(6)}};
    });
  }

  std::vector<User> users() const override {
    const std::lock_guard lock(mutex_);
    std::vector<User> out;
    for (const auto& [n, row] : users_) out.push_back(row.user);
    return out;
  }
  std::optional<User> user(std::string_view name) const override {
    const std::lock_guard lock(mutex_);
    const auto it = users_.find(name);
    return it == users_.end() ? std::nullopt : std::optional(it->second.user);
  }

  AccountResult<void> add_user(const User& user, const std::string& password,
                               const Actor& actor) override {
    if (!valid_user_name(user.name))
      return refuse(Kind::invalid, "a user name is 1 to 64 of a-z 0-9 . - _ @");
    if (user.role < Role::auditor)
      return refuse(Kind::invalid, "the role must be auditor, analyst, lead or admin");
    if (auto bad = check_sites(user.sites)) return fail(*bad);
    if (user.full_name.size() > 200) return refuse(Kind::invalid, "the full name is too long");
    std::string hash;
    if (!password.empty()) {
      if (auto bad = check_password(password)) return fail(*bad);
      hash = hash_password(password);
    }
    UserRow row{user, hash};
    row.user.created = clock_.now();
    row.user.last_login = {};
    const std::lock_guard lock(mutex_);
    if (users_.contains(user.name))
      return refuse(Kind::conflict, "the user '" + user.name + "' exists already");
    if (users_.size() >= limits_.users) return refuse(Kind::invalid, "too many users; remove some");
    if (auto bad = write([&](sql::Database& db) {
          save(db, row);
          audit_row(db, actor, "user.add", user.name,
                    std::string("role ") + std::string(collector::name(user.role)));
        }))
      return fail(*bad);
    users_[user.name] = std::move(row);
    return {};
  }

  AccountResult<User> patch_user(std::string_view name, const UserPatch& patch,
                                 const Actor& actor) override {
    std::string hash;
    if (patch.password) {
      if (auto bad = check_password(*patch.password)) return fail(*bad);
      hash = hash_password(*patch.password);
    }
    if (patch.role && *patch.role < Role::auditor)
      return refuse(Kind::invalid, "the role must be auditor, analyst, lead or admin");
    if (patch.sites)
      if (auto bad = check_sites(*patch.sites)) return fail(*bad);
    const std::lock_guard lock(mutex_);
    const auto it = users_.find(name);
    if (it == users_.end()) return refuse(Kind::not_found, "no user '" + std::string(name) + "'");
    auto row = it->second;
    std::string detail;
    if (patch.full_name) row.user.full_name = patch.full_name->substr(0, 200);
    if (patch.password) row.password = hash, detail += " password";
    if (patch.role)
      row.user.role = *patch.role, detail += " role=" + std::string(collector::name(*patch.role));
    if (patch.sites) row.user.sites = *patch.sites, detail += " sites=" + join(*patch.sites);
    if (patch.disabled)
      row.user.disabled = *patch.disabled, detail += *patch.disabled ? " disabled" : " enabled";
    if (is_last_admin(name) && (row.user.role != Role::admin || row.user.disabled))
      return refuse(Kind::conflict, "this is the last admin; make another one first");
    const bool end_sessions = patch.password || patch.role || patch.disabled || patch.sites;
    if (auto bad = write([&](sql::Database& db) {
          save(db, row);
          if (end_sessions) db.prepare("DELETE FROM sessions WHERE user = ?").with(name).run();
          audit_row(db, actor, "user.change", name, detail);
        }))
      return fail(*bad);
    if (end_sessions)
      std::erase_if(sessions_, [&](const auto& s) { return s.second.session.user == name; });
    it->second = row;
    return row.user;
  }

  AccountResult<void> remove_user(std::string_view name, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto it = users_.find(name);
    if (it == users_.end()) return refuse(Kind::not_found, "no user '" + std::string(name) + "'");
    if (is_last_admin(name))
      return refuse(Kind::conflict, "this is the last admin; make another one first");
    if (auto bad = write([&](sql::Database& db) {
          db.prepare("DELETE FROM users WHERE name = ?").with(name).run();
          db.prepare("DELETE FROM sessions WHERE user = ?").with(name).run();
          db.prepare("DELETE FROM login_links WHERE user = ?").with(name).run();
          audit_row(db, actor, "user.remove", name, "");
        }))
      return fail(*bad);
    std::erase_if(sessions_, [&](const auto& s) { return s.second.session.user == name; });
    std::erase_if(links_, [&](const auto& l) { return l.second.user == name; });
    users_.erase(it);
    return {};
  }

  AccountResult<void> change_password(std::string_view name, const std::string& old_password,
                                      const std::string& new_password,
                                      const Actor& actor) override {
    std::string stored;
    const std::string key(name);
    {
      const std::lock_guard lock(mutex_);
      if (by_user_.locked(key, clock_.now()))
        return refuse(Kind::conflict, "too many wrong passwords; wait some minutes");
      const auto it = users_.find(name);
      if (it == users_.end()) return refuse(Kind::not_found, "no such user");
      stored = it->second.password;
    }
    // Who came in by a login link has no password yet and sets the first one.
    if (!stored.empty() && !verify_password(old_password, stored)) {
      const std::lock_guard lock(mutex_);
      by_user_.add(key, clock_.now());
      return refuse(Kind::invalid, "the old password is wrong");
    }
    UserPatch patch;
    patch.password = new_password;
    auto done = patch_user(name, patch, actor);
    if (!done) return fail(done.error());
    return {};
  }

  Result<Session, LoginRefusal> login(std::string_view user, std::string_view password,
                                      const std::string& address) override {
    const std::string key(user.substr(0, 64));
    std::string stored;
    bool usable = false;
    {
      const std::lock_guard lock(mutex_);
      const auto now = clock_.now();
      if (by_user_.locked(key, now) || by_address_.locked(address, now)) {
        ++counters_.lockouts;
        return fail(LoginRefusal::locked);
      }
      if (const auto it = users_.find(user); it != users_.end()) {
        stored = it->second.password;
        usable = !it->second.user.disabled;
      }
    }
    const bool good = password.size() <= limits_.password_max && verify_password(password, stored);
    const std::lock_guard lock(mutex_);
    if (!good || !usable) {
      const auto now = clock_.now();
      by_user_.add(key, now);
      by_address_.add(address, now);
      ++counters_.login_failures;
      (void)write([&](sql::Database& db) {
        audit_row(db, {key, "session", address}, "login.failed", key, "");
      });
      return fail(LoginRefusal::wrong);
    }
    by_user_.clear(key);
    return open_session(key, address, "password");
  }

  AccountResult<std::string> make_login_link(std::string_view user, std::chrono::seconds life,
                                             const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    if (!users_.contains(user))
      return refuse(Kind::not_found, "no user '" + std::string(user) + "'");
    const auto now = clock_.now();
    std::erase_if(links_, [&](const auto& l) { return l.second.expires <= now; });
    if (links_.size() >= limits_.users)
      return refuse(Kind::invalid, "too many login links are open");
    auto secret = random_secret();
    const Link link{std::string(user), now + life};
    if (auto bad = write([&](sql::Database& db) {
          db.prepare("DELETE FROM login_links WHERE expires <= ?").with(now.us).run();
          db.prepare("INSERT INTO login_links VALUES(?,?,?)")
              .with(sha256_hex(secret), link.user, link.expires.us)
              .run();
          audit_row(db, actor, "user.login-link", user, "");
        }))
      return fail(*bad);
    links_[sha256_hex(secret)] = link;
    return secret;
  }

  Result<Session, LoginRefusal> login_by_link(std::string_view secret,
                                              const std::string& address) override {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.now();
    if (by_address_.locked(address, now)) {
      ++counters_.lockouts;
      return fail(LoginRefusal::locked);
    }
    const auto hash = sha256_hex(secret);
    const auto it = links_.find(hash);
    const auto user = it == links_.end() ? users_.end() : users_.find(it->second.user);
    if (it == links_.end() || it->second.expires <= now || user == users_.end() ||
        user->second.user.disabled) {
      by_address_.add(address, now);
      ++counters_.login_failures;
      return fail(LoginRefusal::wrong);
    }
    const auto name = it->second.user;
    if (write([&](sql::Database& db) {
          db.prepare("DELETE FROM login_links WHERE hash = ?").with(hash).run();
        }))
      return fail(LoginRefusal::failed);
    links_.erase(it);
    return open_session(name, address, "link");
  }

  std::optional<Known> session(std::string_view secret) override {
    const auto hash = sha256_hex(secret);
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(hash);
    if (it == sessions_.end()) return {};
    const auto now = clock_.now();
    const auto user = users_.find(it->second.session.user);
    if (it->second.session.expires <= now || now - it->second.active >= limits_.session_idle ||
        user == users_.end() || user->second.user.disabled) {
      sessions_.erase(it);  // its row goes with the next login
      return {};
    }
    it->second.active = now;
    return Known{it->second.session, user->second.user};
  }

  void logout(std::string_view secret, const std::string& address) override {
    const auto hash = sha256_hex(secret);
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(hash);
    if (it == sessions_.end()) return;
    const auto user = it->second.session.user;
    sessions_.erase(it);
    (void)write([&](sql::Database& db) {
      db.prepare("DELETE FROM sessions WHERE hash = ?").with(hash).run();
      audit_row(db, {user, "session", address}, "logout", user, "");
    });
  }

  AccountResult<NewToken> add_token(const ApiToken& wanted, std::chrono::seconds life,
                                    const Actor& actor) override {
    if (wanted.role == Role::none)
      return refuse(Kind::invalid,
                    "the token's role must be ingest, metrics, auditor, analyst, lead or admin");
    if (wanted.role == Role::ingest && (!valid_slug(wanted.site) || !valid_slug(wanted.source)))
      return refuse(Kind::invalid,
                    "an ingest token needs a site and a source (letters, digits, dashes)");
    if (wanted.name.empty() || wanted.name.size() > 100)
      return refuse(Kind::invalid, "name the token, 1 to 100 characters");
    if (life.count() <= 0) return refuse(Kind::invalid, "expires_in must be positive");
    const std::lock_guard lock(mutex_);
    if (tokens_.size() >= limits_.tokens)
      return refuse(Kind::invalid, "too many tokens; remove some");
    NewToken made{wanted, "wwt_" + random_secret()};
    made.token.created = clock_.now();
    made.token.id = uuid7(made.token.created);
    made.token.expires = made.token.created + life;
    made.token.created_by = actor.name;
    const auto hash = sha256_hex(made.secret);
    const auto& t = made.token;
    if (auto bad = write([&](sql::Database& db) {
          db.prepare(
                "INSERT INTO tokens(id, hash, name, role, site, source, created_by, created, "
                "expires) "
                "VALUES(?,?,?,?,?,?,?,?,?)")
              .with(t.id, hash, t.name, collector::name(t.role), t.site, t.source, t.created_by,
                    t.created.us, t.expires.us)
              .run();
          audit_row(db, actor, "token.add", t.id,
                    t.name + " role " + std::string(collector::name(t.role)));
        }))
      return fail(*bad);
    tokens_[hash] = t;
    return made;
  }

  std::vector<ApiToken> tokens() const override {
    const std::lock_guard lock(mutex_);
    std::vector<ApiToken> out;
    for (const auto& [h, t] : tokens_) out.push_back(t);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id > b.id; });
    return out;
  }

  AccountResult<void> remove_token(std::string_view id, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(tokens_.begin(), tokens_.end(),
                                 [&](const auto& t) { return t.second.id == id; });
    if (it == tokens_.end()) return refuse(Kind::not_found, "no such token");
    if (auto bad = write([&](sql::Database& db) {
          db.prepare("DELETE FROM tokens WHERE id = ?").with(id).run();
          audit_row(db, actor, "token.remove", id, it->second.name);
        }))
      return fail(*bad);
    tokens_.erase(it);
    return {};
  }

  std::optional<ApiToken> token(std::string_view secret) override {
    const auto hash = sha256_hex(secret);
    const std::lock_guard lock(mutex_);
    const auto it = tokens_.find(hash);
    if (it == tokens_.end() || it->second.expires <= clock_.now()) return {};
    it->second.last_used = clock_.now();
    return it->second;
  }

  AccountResult<NewEnrolment> add_enrolment(const SensorName& sensor, std::chrono::seconds life,
                                            const Actor& actor) override {
    if (!valid_slug(sensor.site) || !valid_slug(sensor.sensor))
      return refuse(Kind::invalid,
                    "site and sensor are 1 to 63 lower-case letters, digits and dashes");
    if (life.count() <= 0 || life > std::chrono::hours(24 * 30))
      return refuse(Kind::invalid, "expires_in must be from 1 second to 30 days");
    const std::lock_guard lock(mutex_);
    const auto now = clock_.now();
    if (enrolments_.size() >= limits_.enrolments)
      return refuse(Kind::invalid, "too many enrolments; remove some");
    NewEnrolment made{{uuid7(now), sensor.site, sensor.sensor, actor.name, now, now + life, {}},
                      "wwe_" + random_secret()};
    EnrolmentRow row{made.enrolment, sha256_hex(made.secret), ""};
    if (auto bad = write([&](sql::Database& db) {
          save(db, row);
          audit_row(db, actor, "enrolment.add", sensor.site + "/" + sensor.sensor, "");
        }))
      return fail(*bad);
    enrolments_[row.e.id] = std::move(row);
    return made;
  }

  std::vector<Enrolment> enrolments() const override {
    const std::lock_guard lock(mutex_);
    std::vector<Enrolment> out;
    for (const auto& [id, row] : enrolments_) out.push_back(row.e);
    std::reverse(out.begin(), out.end());
    return out;
  }

  AccountResult<void> remove_enrolment(std::string_view id, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto it = enrolments_.find(std::string(id));
    if (it == enrolments_.end()) return refuse(Kind::not_found, "no such enrolment");
    if (auto bad = write([&](sql::Database& db) {
          db.prepare("DELETE FROM enrolments WHERE id = ?").with(id).run();
          audit_row(db, actor, "enrolment.remove", it->second.e.site + "/" + it->second.e.sensor,
                    "");
        }))
      return fail(*bad);
    enrolments_.erase(it);
    return {};
  }

  AccountResult<std::pair<SensorName, Issued>> enrol(std::string_view secret, std::string_view csr,
                                                     const Authority& authority,
                                                     const std::string& address) override {
    const auto hash = sha256_hex(secret);
    const auto key = authority.request_key(csr);
    const std::lock_guard lock(mutex_);
    const auto now = clock_.now();
    if (by_address_.locked(address, now))
      return refuse(Kind::conflict,
                    "too many wrong enrolment tokens from this address; wait some minutes");
    const auto it = std::find_if(enrolments_.begin(), enrolments_.end(),
                                 [&](const auto& e) { return e.second.hash == hash; });
    if (it == enrolments_.end()) {
      by_address_.add(address, now);
      return refuse(Kind::not_found, "the enrolment token is not known here");
    }
    if (it->second.e.expires <= now)
      return refuse(Kind::not_found, "the enrolment token has expired");
    if (!key)
      return refuse(Kind::invalid,
                    "the certificate request is not PEM, not signed by its key, or too large");
    if (it->second.e.used.us != 0 && it->second.used_key != *key)
      return refuse(Kind::not_found, "the enrolment token was used already");
    const SensorName name{it->second.e.site, it->second.e.sensor};
    auto issued = authority.sign_sensor(csr, name);
    if (!issued) return refuse(Kind::invalid, issued.error());
    auto row = it->second;
    row.e.used = now;
    row.used_key = *key;
    if (auto bad = record_certificate(name, *issued, [&](sql::Database& db) {
          save(db, row);
          audit_row(db, {name.site + "/" + name.sensor, "sensor", address}, "sensor.enrol",
                    name.site + "/" + name.sensor, issued->serial);
        }))
      return fail(*bad);
    it->second = std::move(row);
    ++counters_.enrolments;
    return std::pair{name, *issued};
  }

  AccountResult<Issued> renew(const SensorName& sensor, std::string_view csr,
                              const Authority& authority, const std::string& address) override {
    auto issued = authority.sign_sensor(csr, sensor);
    if (!issued) return refuse(Kind::invalid, issued.error());
    const std::lock_guard lock(mutex_);
    if (auto bad = record_certificate(sensor, *issued, [&](sql::Database& db) {
          audit_row(db, {sensor.site + "/" + sensor.sensor, "sensor", address}, "sensor.renew",
                    sensor.site + "/" + sensor.sensor, issued->serial);
        }))
      return fail(*bad);
    return *issued;
  }

  AccountResult<void> revoke(const SensorName& sensor, std::string_view reason,
                             const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.now();
    const auto is_its = [&](const auto& row) {
      return row.site == sensor.site && row.sensor == sensor.sensor;
    };
    bool any = false;
    for (const auto& [s, c] : certificates_) any = any || is_its(c);
    for (const auto& [i, e] : enrolments_) any = any || is_its(e.e);
    if (!any) return refuse(Kind::not_found, "no sensor " + sensor.site + "/" + sensor.sensor);
    const auto why = std::string(reason.substr(0, 500));
    if (auto bad = write([&](sql::Database& db) {
          db.prepare(
                "UPDATE certificates SET revoked = ?, reason = ? WHERE site = ? AND sensor = ? AND "
                "revoked = 0")
              .with(now.us, why, sensor.site, sensor.sensor)
              .run();
          db.prepare("DELETE FROM enrolments WHERE site = ? AND sensor = ?")
              .with(sensor.site, sensor.sensor)
              .run();
          audit_row(db, actor, "sensor.revoke", sensor.site + "/" + sensor.sensor, why);
        }))
      return fail(*bad);
    for (auto& [s, c] : certificates_)
      if (is_its(c) && c.revoked.us == 0) c.revoked = now, c.reason = why;
    std::erase_if(enrolments_, [&](const auto& e) { return is_its(e.second.e); });
    return {};
  }

  bool admit(const SensorName& sensor, std::string_view serial,
             const std::string& address) override {
    const std::lock_guard lock(mutex_);
    if (const auto it = certificates_.find(serial); it != certificates_.end())
      return it->second.revoked.us == 0 && it->second.not_after > clock_.now();
    // Rows are never deleted, so a revocation is remembered for good.
    bool known = false;
    for (const auto& [s, c] : certificates_) {
      if (c.site != sensor.site || c.sensor != sensor.sensor) continue;
      if (c.revoked.us != 0) return false;
      known = true;
    }
    constexpr std::size_t most = 10'000;
    if (known && admitted_.size() < most && !admitted_.contains(serial)) {
      admitted_.insert(std::string(serial));
      const auto name = sensor.site + "/" + sensor.sensor;
      (void)write([&](sql::Database& db) {
        audit_row(db, {name, "sensor", address}, "sensor.admit", name,
                  "certificate " + std::string(serial.substr(0, 64)) + " is newer than these data");
      });
    }
    return known;
  }

  std::vector<CertificateRow> certificates() const override {
    const std::lock_guard lock(mutex_);
    std::vector<CertificateRow> out;
    for (const auto& [s, c] : certificates_) out.push_back(c);
    return out;
  }

  void audit(const Actor& actor, std::string_view action, std::string_view target,
             std::string_view detail) override {
    (void)write([&](sql::Database& db) { audit_row(db, actor, action, target, detail); });
  }

  std::vector<AuditRow> audit_rows(std::uint32_t limit, std::int64_t before_id) const override {
    std::vector<AuditRow> out;
    (void)control_.read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT id, time, actor, kind, address, action, target, detail FROM audit WHERE id < ? "
          "ORDER BY id DESC LIMIT ?");
      s.with(before_id > 0 ? before_id : INT64_MAX, static_cast<std::int64_t>(limit));
      while (s.step())
        out.push_back({s.integer(0),
                       {s.integer(1)},
                       {s.copy(2), s.copy(3), s.copy(4)},
                       s.copy(5),
                       s.copy(6),
                       s.copy(7)});
    });
    return out;
  }

  Counters counters() const override {
    const std::lock_guard lock(mutex_);
    auto c = counters_;
    c.sessions = sessions_.size();
    return c;
  }

 private:
  std::optional<AccountError> write(const std::function<void(sql::Database&)>& body) {
    auto done = control_.write(body);
    if (done) return {};
    return AccountError{Kind::failed, done.error().text()};
  }

  void audit_row(sql::Database& db, const Actor& actor, std::string_view action,
                 std::string_view target, std::string_view detail) const {
    db.prepare(
          "INSERT INTO audit(time, actor, kind, address, action, target, detail) "
          "VALUES(?,?,?,?,?,?,?)")
        .with(clock_.now().us, actor.name, actor.kind, actor.address, action, target.substr(0, 500),
              detail.substr(0, 2000))
        .run();
  }

  static void save(sql::Database& db, const UserRow& row) {
    const auto& u = row.user;
    db.prepare("INSERT OR REPLACE INTO users VALUES(?,?,?,?,?,?,?,?)")
        .with(u.name, u.full_name, collector::name(u.role), join(u.sites), row.password,
              std::int64_t{u.disabled}, u.created.us, u.last_login.us)
        .run();
  }
  static void save(sql::Database& db, const EnrolmentRow& row) {
    db.prepare("INSERT OR REPLACE INTO enrolments VALUES(?,?,?,?,?,?,?,?,?)")
        .with(row.e.id, row.hash, row.e.site, row.e.sensor, row.e.created_by, row.e.created.us,
              row.e.expires.us, row.e.used.us, row.used_key)
        .run();
  }

  std::optional<AccountError> record_certificate(const SensorName& name, const Issued& issued,
                                                 const std::function<void(sql::Database&)>& more) {
    const CertificateRow row{issued.serial,     name.site,        name.sensor,  "",
                             issued.not_before, issued.not_after, clock_.now(), {}};
    if (auto bad = write([&](sql::Database& db) {
          db.prepare("INSERT INTO certificates VALUES(?,?,?,?,?,?,0,'')")
              .with(row.serial, row.site, row.sensor, row.not_before.us, row.not_after.us,
                    row.issued.us)
              .run();
          more(db);
        }))
      return bad;
    certificates_[row.serial] = row;
    return {};
  }

  Result<Session, LoginRefusal> open_session(const std::string& user, const std::string& address,
                                             const char* how) {
    const auto now = clock_.now();
    std::erase_if(sessions_, [&](const auto& s) { return s.second.session.expires <= now; });
    if (sessions_.size() >= limits_.sessions)
      sessions_.erase(std::min_element(
          sessions_.begin(), sessions_.end(),
          [](const auto& a, const auto& b) { return a.second.active < b.second.active; }));
    Session made{random_secret(), random_secret(18), user, now, now + limits_.session_life};
    auto& row = users_.find(user)->second;
    row.user.last_login = now;
    if (write([&](sql::Database& db) {
          db.prepare("DELETE FROM sessions WHERE expires <= ?").with(now.us).run();
          db.prepare("INSERT INTO sessions VALUES(?,?,?,?,?)")
              .with(sha256_hex(made.secret), user, made.csrf, made.created.us, made.expires.us)
              .run();
          save(db, row);
          audit_row(db, {user, "session", address}, "login", user, how);
        }))
      return fail(LoginRefusal::failed);
    auto kept = made;
    kept.secret.clear();
    sessions_[sha256_hex(made.secret)] = {kept, now};
    ++counters_.logins;
    return made;
  }

  std::optional<AccountError> check_password(const std::string& password) const {
    if (password.size() < limits_.password_min)
      return AccountError{Kind::invalid, "a password has at least " +
                                             std::to_string(limits_.password_min) + " characters"};
    if (password.size() > limits_.password_max)
      return AccountError{Kind::invalid, "the password is too long"};
    return {};
  }
  static std::optional<AccountError> check_sites(const std::vector<std::string>& sites) {
    for (const auto& s : sites)
      if (!valid_slug(s)) return AccountError{Kind::invalid, "'" + s + "' is no site name"};
    return {};
  }
  bool is_last_admin(std::string_view name) const {
    std::size_t others = 0;
    bool it_is = false;
    for (const auto& [n, row] : users_)
      if (row.user.role == Role::admin && !row.user.disabled)
        (n == name ? it_is = true : (++others, false));
    return it_is && others == 0;
  }

  ControlDb& control_;
  const Clock& clock_;
  const AccountLimits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, UserRow, std::less<>> users_;
  std::unordered_map<std::string, SessionRow>
      sessions_;  // by digest of the secret, as the next two
  std::unordered_map<std::string, Link> links_;
  std::unordered_map<std::string, ApiToken> tokens_;
  std::map<std::string, EnrolmentRow> enrolments_;  // by id, so in order of time
  std::map<std::string, CertificateRow, std::less<>> certificates_;
  std::set<std::string, std::less<>> admitted_;  // not on record; told in the audit trail
  Failures by_user_, by_address_;
  Counters counters_;
};

}  // namespace

std::string_view name(Role role) { return role_names[static_cast<std::size_t>(role)]; }

std::optional<Role> parse_role(std::string_view text) {
  for (std::size_t i = 1; i < role_names.size(); ++i)
    if (role_names[i] == text) return static_cast<Role>(i);
  return {};
}

Result<std::unique_ptr<Accounts>, Problem> Accounts::open(ControlDb& control, const Clock& clock,
                                                          const AccountLimits& limits) {
  auto accounts = std::make_unique<AccountsImpl>(control, clock, limits);
  if (auto loaded = accounts->load(); !loaded) return fail(std::move(loaded.error()));
  return accounts;
}

}  // namespace ww::collector
