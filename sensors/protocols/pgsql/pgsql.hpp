#pragma once
/// PostgreSQL conversations: what one transaction has and the parser that makes them.
#include <string>
#include <vector>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/pgsql/messages.hpp"

namespace ww::sensor::pgsql {

/// Members of a JSON object, each already a JSON value. Setting a key again replaces its value, so
/// that the record never has a key twice.
class Members {
 public:
  void text(std::string_view key, std::string_view value);
  void number(std::string_view key, std::uint64_t value);
  void flag(std::string_view key, bool value);
  void object(std::string_view key, std::string inner);  ///< text between the braces
  [[nodiscard]] bool empty() const { return members_.empty(); }
  void write(JsonWriter& json) const;

 private:
  std::string& at(std::string_view key);
  std::vector<std::pair<std::string, std::string>> members_;
};

struct PgsqlTx final : Transaction {
  Members request, response;
  bool has_request = false, has_response = false;
  bool has_password = false, has_query = false;
  std::string password, query;
  std::vector<std::pair<std::string, std::string>> parameters;  ///< ParameterStatus
  std::uint64_t rows = 0, row_octets = 0;

  void done(Dir dir) {
    complete[sig::index(dir)] = true;
    progress[sig::index(dir)] = 1;
    ++revision;
  }
};

class PgsqlParser final : public Parser {
 public:
  explicit PgsqlParser(std::size_t max_tx) : max_tx_(max_tx) {}
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  /// What the conversation waits for.
  enum class State : std::uint8_t {
    idle,
    ssl_asked,
    gss_asked,
    sasl_asked,    ///< the server wants a SASL start
    sasl_running,  ///< more SASL from the client follows
    password_asked,
    copy_in,  ///< the client may send rows
    other
  };
  ParseResult messages(ParserContext& ctx, Dir dir, const StreamInput& input);
  bool client(ParserContext& ctx, const ww::pgsql::Header& h, Bytes body);
  bool server(ParserContext& ctx, const ww::pgsql::Header& h, Bytes body);
  void startup(ParserContext& ctx, Bytes body);
  void authentication_answer(ParserContext& ctx, Bytes body);
  void copy_end(ParserContext& ctx, const ww::pgsql::Header& h, Bytes body);
  bool authentication(PgsqlTx& tx, Bytes body);
  void answered_encryption(ParserContext& ctx, char answer);

  PgsqlTx& begin(ParserContext& ctx);
  PgsqlTx* waiting();  ///< the oldest transaction that is owed an answer
  void fault(ParserContext& ctx, Dir dir, EventId event);
  void end(Dir dir);

  std::size_t max_tx_;
  State state_ = State::idle;
  std::uint64_t skip_[2] = {0, 0};
  bool lost_[2] = {false, false};
  bool encrypted_ = false;              ///< what follows is encrypted
  std::uint64_t copying_ = UINT64_MAX;  ///< transaction that counts rows from the client
};

/// @param passwords  whether the record may show them
void write_pgsql(const PgsqlTx& tx, bool passwords, JsonWriter& json);

}  // namespace ww::sensor::pgsql
