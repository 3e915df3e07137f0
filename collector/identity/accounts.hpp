#pragma once
/// Who may do what: people, their sessions, API tokens, enrolments, sensor certificates, and the
/// audit rows of every change by a person. Rows live in the control database; what each request
/// needs is held in memory as well. Secrets are stored as digests only. Thread-safe.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/identity/authority.hpp"
#include "collector/store/control.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

/// In order of reach from `auditor` on. `ingest` and `metrics` are for tokens and reach nothing
/// else.
enum class Role : std::uint8_t { none, ingest, metrics, auditor, analyst, lead, admin };
[[nodiscard]] std::string_view name(Role role);
[[nodiscard]] std::optional<Role> parse_role(std::string_view text);

/// Who acts, for audit rows.
struct Actor {
  std::string name;
  std::string kind;  ///< session, token, sensor, console
  std::string address;
};

struct User {
  std::string name, full_name;
  Role role = Role::none;
  std::vector<std::string> sites;  ///< empty: all
  bool disabled = false;
  Timestamp created, last_login;  ///< last_login zero: never
};
struct UserPatch {
  std::optional<std::string> full_name, password;
  std::optional<Role> role;
  std::optional<std::vector<std::string>> sites;
  std::optional<bool> disabled;
};

struct Session {
  std::string secret;  ///< set only where the session is made
  std::string csrf, user;
  Timestamp created, expires;
};

struct ApiToken {
  std::string id, name;
  Role role = Role::none;
  std::string site, source;  ///< ingest tokens: what the events are stored under
  std::string created_by;
  Timestamp created, expires, last_used;
};

struct Enrolment {
  std::string id, site, sensor, created_by;
  Timestamp created, expires, used;
};

struct CertificateRow {
  std::string serial, site, sensor, reason;
  Timestamp not_before, not_after, issued, revoked;  ///< revoked zero: valid
};

struct AuditRow {
  std::int64_t id = 0;
  Timestamp time;
  Actor actor;
  std::string action, target, detail;
};

struct AccountLimits {
  std::chrono::seconds session_life{12 * 3600}, session_idle{2 * 3600};
  std::uint32_t sessions = 10'000, tokens = 10'000, users = 10'000, enrolments = 100'000;
  std::uint32_t user_failures = 5, address_failures = 30;
  std::chrono::seconds failure_window{900};
  std::uint32_t failure_entries = 16'384;
  std::size_t password_min = 12, password_max = 1024;
};

enum class LoginRefusal : std::uint8_t { wrong, locked, failed };

/// What a change was refused for; `not_found` and `conflict` become 404 and 409.
struct AccountError {
  enum class Kind : std::uint8_t { invalid, not_found, conflict, failed } kind = Kind::invalid;
  std::string what;
};
template <class T>
using AccountResult = Result<T, AccountError>;

class Accounts {
 public:
  /// Makes the tables and reads what is there. @param control, clock  borrowed
  [[nodiscard]] static Result<std::unique_ptr<Accounts>, Problem> open(
      ControlDb& control, const Clock& clock, const AccountLimits& limits = {});
  virtual ~Accounts() = default;

  // People
  [[nodiscard]] virtual std::vector<User> users() const = 0;
  [[nodiscard]] virtual std::optional<User> user(std::string_view name) const = 0;
  /// Without a password the user can only come in by a login link.
  [[nodiscard]] virtual AccountResult<void> add_user(const User& user, const std::string& password,
                                                     const Actor& actor) = 0;
  /// A change of password, role or `disabled` ends the user's sessions. The last enabled admin
  /// stays one.
  [[nodiscard]] virtual AccountResult<User> patch_user(std::string_view name,
                                                       const UserPatch& patch,
                                                       const Actor& actor) = 0;
  [[nodiscard]] virtual AccountResult<void> remove_user(std::string_view name,
                                                        const Actor& actor) = 0;
  [[nodiscard]] virtual AccountResult<void> change_password(std::string_view name,
                                                            const std::string& old_password,
                                                            const std::string& new_password,
                                                            const Actor& actor) = 0;

  // Sessions. login() costs a password hash (about 60 ms).
  [[nodiscard]] virtual Result<Session, LoginRefusal> login(std::string_view user,
                                                            std::string_view password,
                                                            const std::string& address) = 0;
  /// A secret that opens one session within `life`.
  [[nodiscard]] virtual AccountResult<std::string> make_login_link(std::string_view user,
                                                                   std::chrono::seconds life,
                                                                   const Actor& actor) = 0;
  [[nodiscard]] virtual Result<Session, LoginRefusal> login_by_link(std::string_view secret,
                                                                    const std::string& address) = 0;
  /// The session behind a cookie and its user, while both are good. Counts as activity.
  struct Known {
    Session session;
    User user;
  };
  [[nodiscard]] virtual std::optional<Known> session(std::string_view secret) = 0;
  virtual void logout(std::string_view secret, const std::string& address) = 0;

  // API tokens
  struct NewToken {
    ApiToken token;
    std::string secret;
  };
  [[nodiscard]] virtual AccountResult<NewToken> add_token(const ApiToken& token,
                                                          std::chrono::seconds life,
                                                          const Actor& actor) = 0;
  [[nodiscard]] virtual std::vector<ApiToken> tokens() const = 0;
  [[nodiscard]] virtual AccountResult<void> remove_token(std::string_view id,
                                                         const Actor& actor) = 0;
  [[nodiscard]] virtual std::optional<ApiToken> token(std::string_view secret) = 0;

  // Sensors
  struct NewEnrolment {
    Enrolment enrolment;
    std::string secret;
  };
  [[nodiscard]] virtual AccountResult<NewEnrolment> add_enrolment(const SensorName& sensor,
                                                                  std::chrono::seconds life,
                                                                  const Actor& actor) = 0;
  [[nodiscard]] virtual std::vector<Enrolment> enrolments() const = 0;
  [[nodiscard]] virtual AccountResult<void> remove_enrolment(std::string_view id,
                                                             const Actor& actor) = 0;
  /// Uses a one-time token. The same key may come again with it within its time (an answer that got
  /// lost).
  [[nodiscard]] virtual AccountResult<std::pair<SensorName, Issued>> enrol(
      std::string_view secret, std::string_view csr_pem, const Authority& authority,
      const std::string& address) = 0;
  [[nodiscard]] virtual AccountResult<Issued> renew(const SensorName& sensor,
                                                    std::string_view csr_pem,
                                                    const Authority& authority,
                                                    const std::string& address) = 0;
  /// Every certificate of the sensor; its unused enrolments too.
  [[nodiscard]] virtual AccountResult<void> revoke(const SensorName& sensor,
                                                   std::string_view reason, const Actor& actor) = 0;
  /// Whether a sensor may come in with a certificate that the authority signed: one that is on
  /// record, not revoked and in its time. One that is not on record was issued after the backup
  /// that these data were restored from: it counts when the sensor is known and was never revoked,
  /// and the audit trail says so.
  [[nodiscard]] virtual bool admit(const SensorName& sensor, std::string_view serial,
                                   const std::string& address) = 0;
  [[nodiscard]] virtual std::vector<CertificateRow> certificates() const = 0;

  // Audit
  virtual void audit(const Actor& actor, std::string_view action, std::string_view target,
                     std::string_view detail) = 0;
  [[nodiscard]] virtual std::vector<AuditRow> audit_rows(std::uint32_t limit,
                                                         std::int64_t before_id) const = 0;
  struct Counters {
    std::uint64_t logins = 0, login_failures = 0, lockouts = 0, enrolments = 0, sessions = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

}  // namespace ww::collector
