#include <algorithm>

#include "sensors/protocols/pgsql/pgsql.hpp"

namespace ww::sensor::pgsql {
namespace {

using ww::pgsql::Auth;
using ww::pgsql::Header;
using ww::pgsql::Status;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto proto = sig::app_protos().intern("pgsql");
const EventId invalid_length = sig::events().intern("pgsql.invalid_length");
const EventId malformed_request = sig::events().intern("pgsql.malformed_request");
const EventId malformed_response = sig::events().intern("pgsql.malformed_response");
const EventId too_many_transactions = sig::events().intern("pgsql.too_many_transactions");
const EventId too_many_responses = sig::events().intern("pgsql.too_many_responses");

constexpr std::size_t max_held = 256U << 10;  ///< octets of a message that are looked at
constexpr std::size_t max_parameters = 256;   ///< ParameterStatus kept of a transaction

/// Octets of the body that are needed at once; the rest is passed over.
std::size_t wanted(char type, bool client, std::uint32_t length) {
  if (type == 'd') return 0;                                // CopyData
  if (!client && type == 'D') return std::min(length, 2U);  // DataRow
  if (client && !ww::pgsql::known_client_type(type) && type != 0) return 0;
  if (!client && !ww::pgsql::known_server_type(type)) return 0;
  return std::min<std::size_t>(length, max_held);
}

}  // namespace

ParseResult PgsqlParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  const auto d = sig::index(dir);
  if (input.gap > 0) {
    if (skip_[d] >= input.gap)
      skip_[d] -= input.gap;
    else
      lost_[d] = true;
  }
  if (lost_[d]) skip_[d] = 0;
  const auto result = messages(ctx, dir, input);
  if (input.end) end(dir);
  return result;
}

ParseResult PgsqlParser::messages(ParserContext& ctx, Dir dir, const StreamInput& input) {
  const auto d = sig::index(dir);
  const bool from_client = dir == Dir::to_server;
  std::size_t at = 0;
  while (at < input.data.size()) {
    const auto rest = input.data.subspan(at);
    if (skip_[d] > 0) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(skip_[d], rest.size()));
      skip_[d] -= n;
      at += n;
      continue;
    }
    const bool encryption = state_ == State::ssl_asked || state_ == State::gss_asked;
    if (!from_client && encryption && rest[0] != 'E') {
      answered_encryption(ctx, static_cast<char>(rest[0]));
      if (encrypted_) return ParseResult::ok();
      ++at;
      continue;
    }
    Header h;
    const auto status = ww::pgsql::read_header(rest, from_client, h);
    if (status == Status::need_more) return ParseResult::more(at, h.octets);
    if (lost_[d]) {
      // After a gap, go on where a message of a known kind and sensible length stands.
      const bool known =
          from_client ? ww::pgsql::known_client_type(h.type) : ww::pgsql::known_server_type(h.type);
      if (status != Status::ok || !known || h.length > max_held) return ParseResult::ok();
      lost_[d] = false;
    }
    if (status == Status::bad_length) {
      fault(ctx, dir, invalid_length);
      return ParseResult::error();
    }
    const auto need = wanted(h.type, from_client, h.length);
    if (rest.size() - h.octets < need) return ParseResult::more(at, h.octets + need);
    const auto body = rest.subspan(h.octets, need);
    if (!(from_client ? client(ctx, h, body) : server(ctx, h, body))) return ParseResult::error();
    skip_[d] = h.length - need;
    at += h.octets + need;
  }
  return ParseResult::ok();
}

// ------------------------------------------------------------------------------- the client

bool PgsqlParser::client(ParserContext& ctx, const Header& h, Bytes body) {
  switch (h.type) {
    case '\0':
      startup(ctx, body);
      break;
    case 'Q': {
      auto& tx = begin(ctx);
      tx.query = ww::pgsql::c_string(body);
      tx.has_query = true;
      tx.request.text("simple_query", tx.query);
      state_ = State::other;
      break;
    }
    case 'p':
      authentication_answer(ctx, body);
      break;
    case 'd':
      if (state_ == State::copy_in) {
        begin(ctx).complete[0] = false;
        copying_ = owned_.back()->id;
        state_ = State::other;
      }
      for (const auto& owned : owned_)
        if (owned->id == copying_) {
          auto& tx = static_cast<PgsqlTx&>(*owned);
          ++tx.rows;
          tx.row_octets += h.length;
        }
      break;
    case 'c':
    case 'f':
      copy_end(ctx, h, body);
      break;
    case 'X': {
      if (h.length != 0) {
        fault(ctx, Dir::to_server, invalid_length);
        return false;
      }
      auto& tx = begin(ctx);
      tx.request.text("message", "termination_message");
      tx.done(Dir::to_client);
      break;
    }
    default:
      break;  // the extended query protocol, which is not followed
  }
  return true;
}

void PgsqlParser::startup(ParserContext& ctx, Bytes body) {
  const auto s = ww::pgsql::parse_startup(body);
  if (!s) {
    fault(ctx, Dir::to_server, malformed_request);
    return;
  }
  auto& tx = begin(ctx);
  using Kind = ww::pgsql::Startup::Kind;
  state_ = State::other;
  switch (s->kind) {
    case Kind::ssl:
      tx.request.text("message", "SSL Request");
      state_ = State::ssl_asked;
      break;
    case Kind::gss:
      tx.request.text("message", "GSSENC Request");
      state_ = State::gss_asked;
      break;
    case Kind::cancel:
      tx.request.text("message", "cancel_request");
      tx.request.number("process_id", s->process_id);
      tx.request.number("secret_key", s->secret_key);
      tx.done(Dir::to_client);  // there is no answer
      break;
    case Kind::startup: {
      tx.request.text("protocol_version",
                      std::to_string(s->major) + "." + std::to_string(s->minor));
      std::string inner;
      JsonWriter json(inner);
      json.field_bytes("user", as_bytes(s->user));
      if (!s->parameters.empty()) {
        json.begin_array("optional_parameters");
        for (const auto& [name, value] : s->parameters) {
          json.begin_object();
          json.key_text(ww::pgsql::parameter_name(name));
          json.value_bytes(as_bytes(value));
          json.end_object();
        }
        json.end_array();
      }
      tx.request.object("startup_parameters", std::move(inner));
      break;
    }
  }
}

/// 'p' is a password, a SASL start or more SASL: only what the server asked for tells.
void PgsqlParser::authentication_answer(ParserContext& ctx, Bytes body) {
  const auto state = state_;
  if (state == State::password_asked) {
    auto& tx = begin(ctx);
    tx.password = ww::pgsql::c_string(body);
    tx.has_password = true;
    state_ = State::other;
  } else if (state == State::sasl_asked) {
    const auto s = ww::pgsql::parse_sasl_initial(body);
    if (!s) {
      fault(ctx, Dir::to_server, malformed_request);
      return;
    }
    auto& tx = begin(ctx);
    const auto mechanism = s->mechanism == "SCRAM-SHA-256"        ? "scram_SHA256"
                           : s->mechanism == "SCRAM-SHA-256-PLUS" ? "scram_SHA256_plus"
                                                                  : s->mechanism;
    tx.request.text("sasl_authentication_mechanism", mechanism);
    tx.request.text("sasl_param", s->parameter);
    state_ = State::sasl_running;
  } else if (state == State::sasl_running) {
    begin(ctx).request.text("sasl_response", as_text(body));
  }
}

/// CopyDone or CopyFail.
void PgsqlParser::copy_end(ParserContext& ctx, const Header& h, Bytes body) {
  PgsqlTx* tx = nullptr;
  for (const auto& owned : owned_)
    if (owned->id == copying_) tx = static_cast<PgsqlTx*>(owned.get());
  if (tx == nullptr) {
    if (state_ != State::copy_in) return;
    tx = &begin(ctx);  // no rows at all
  }
  copying_ = UINT64_MAX;
  state_ = State::other;
  if (tx->rows > 0) {
    std::string inner;
    JsonWriter json(inner);
    json.field("msg_count", tx->rows);
    json.field("data_size", tx->row_octets);
    tx->request.object("copy_data_in", std::move(inner));
    tx->rows = tx->row_octets = 0;
  }
  if (h.type == 'c')
    tx->request.text("message", "copy_done");
  else
    tx->request.text("copy_fail", ww::pgsql::c_string(body));
  tx->done(Dir::to_server);
}

// ------------------------------------------------------------------------------- the server

void PgsqlParser::answered_encryption(ParserContext& ctx, char answer) {
  const bool ssl = state_ == State::ssl_asked;
  const bool accepted = answer == (ssl ? 'S' : 'G');
  state_ = State::other;
  auto* tx = waiting();
  if (!accepted && answer != 'N') {
    fault(ctx, Dir::to_client, malformed_response);
    if (tx != nullptr) tx->done(Dir::to_client);
    return;
  }
  if (tx != nullptr) {
    tx->has_response = true;
    tx->response.flag(ssl ? "ssl_accepted" : "gss_accepted", accepted);
    tx->done(Dir::to_client);
  }
  if (!accepted) return;
  encrypted_ = true;
  if (ssl)
    ctx.change_protocol("tls");
  else
    ctx.bypass_payload();
}

bool PgsqlParser::server(ParserContext& ctx, const Header& h, Bytes body) {
  const bool wrong = (h.type == 'K' && h.length < 8) || (h.type == 'Z' && h.length != 1) ||
                     (h.type == 'R' && h.length < 4);
  if (wrong) {
    fault(ctx, Dir::to_client, invalid_length);
    return false;
  }
  auto* tx = waiting();
  if (tx == nullptr) return true;  // of the extended query protocol, or before we came
  ByteReader in(body);
  ++tx->revision;
  const auto answer = [&]() -> Members& {
    tx->has_response = true;
    return tx->response;
  };
  const auto counted = [&](const char* key) {
    std::string inner;
    JsonWriter json(inner);
    json.field("row_count", tx->rows);
    json.field("data_size", tx->row_octets);
    answer().object(key, std::move(inner));
    tx->rows = tx->row_octets = 0;
  };
  switch (h.type) {
    case 'R':
      if (!authentication(*tx, body)) fault(ctx, Dir::to_client, malformed_response);
      break;
    case 'K':
      answer().number("process_id", in.u32be());
      answer().number("secret_key", in.u32be());
      break;
    case 'S': {
      const auto name = ww::pgsql::c_string(body);
      const auto value = ww::pgsql::c_string(body.subspan(std::min(body.size(), name.size() + 1)));
      tx->has_response = true;
      if (tx->parameters.size() < max_parameters)
        tx->parameters.emplace_back(name, value);
      else
        tx->add_event(too_many_responses);
      break;
    }
    case 'E':
      for (const auto& [key, value] : ww::pgsql::parse_error_fields(body))
        answer().text(key, value);
      break;
    case 'T':
      answer().number("field_count", in.u16be());
      break;
    case 'D':
      ++tx->rows;
      tx->row_octets += ww::pgsql::row_size(h.length, in.u16be());
      break;
    case 'C':
      if (tx->rows > 0) {
        answer().number("data_rows", tx->rows);
        answer().number("data_size", tx->row_octets);
        tx->rows = tx->row_octets = 0;
      }
      answer().text("command_completed", ww::pgsql::c_string(body));
      break;
    case 'G':
    case 'H': {
      in.skip(1);  // overall format
      std::string inner;
      JsonWriter json(inner);
      json.field("columns", in.u16be());
      answer().object(h.type == 'G' ? "copy_in_response" : "copy_out_response", std::move(inner));
      if (h.type == 'G') {
        state_ = State::copy_in;
        tx->done(Dir::to_client);
      }
      break;
    }
    case 'd':
      ++tx->rows;
      tx->row_octets += h.length;
      break;
    case 'c':
      if (tx->rows > 0) counted("copy_data_out");
      answer().text("message", "copy_done");
      break;
    case 'A': {
      const auto pid = in.u32be();
      const auto channel = ww::pgsql::c_string(in.rest());
      in.skip(std::min(in.left(), channel.size() + 1));
      answer().number("pid", pid);
      answer().text("channel_name", channel);
      answer().text("payload", ww::pgsql::c_string(in.rest()));
      break;
    }
    case 'Z':
      tx->has_response = true;
      tx->done(Dir::to_client);
      break;
    default:
      break;
  }
  return true;
}

bool PgsqlParser::authentication(PgsqlTx& tx, Bytes body) {
  ByteReader in(body);
  const auto kind = static_cast<Auth>(in.u32be());
  const auto name = ww::pgsql::auth_name(kind);
  if (name.empty()) return false;
  tx.has_response = true;
  switch (kind) {
    case Auth::md5:
      if (in.left() != 4) return false;
      [[fallthrough]];
    case Auth::sspi:
    case Auth::gss:
    case Auth::gss_continue:
    case Auth::sasl_final:
      tx.response.text(name, as_text(in.rest()));
      break;
    default:
      tx.response.text("message", name);
      break;
  }
  if (kind == Auth::md5 || kind == Auth::cleartext) state_ = State::password_asked;
  if (kind == Auth::sasl) state_ = State::sasl_asked;
  if (kind == Auth::sasl_continue) state_ = State::sasl_running;
  // The client's turn: this exchange is over.
  if (kind == Auth::md5 || kind == Auth::cleartext || kind == Auth::sasl ||
      kind == Auth::sasl_continue)
    tx.done(Dir::to_client);
  return true;
}

// ------------------------------------------------------------------------------- transactions

PgsqlTx& PgsqlParser::begin(ParserContext& ctx) {
  if (owned_.size() >= max_tx_) {
    const auto oldest =
        std::find_if(owned_.begin(), owned_.end(), [](const auto& t) { return !t->complete[1]; });
    if (oldest != owned_.end()) {
      auto& tx = static_cast<PgsqlTx&>(**oldest);
      tx.add_event(too_many_transactions);
      tx.done(Dir::to_server);
      tx.done(Dir::to_client);
    }
  }
  auto owned = std::make_unique<PgsqlTx>();
  owned->proto = proto;
  owned->has_request = true;
  owned->done(Dir::to_server);
  return add(std::move(owned), ctx);
}

PgsqlTx* PgsqlParser::waiting() {
  for (const auto& owned : owned_)
    if (!owned->complete[1]) return static_cast<PgsqlTx*>(owned.get());
  return nullptr;
}

/// An event has a transaction of its own: what was going on goes on.
void PgsqlParser::fault(ParserContext& ctx, Dir dir, EventId event) {
  auto owned = std::make_unique<PgsqlTx>();
  owned->proto = proto;
  owned->only[sig::index(dir)] = true;
  owned->done(Dir::to_server);
  owned->done(Dir::to_client);
  owned->add_event(event);
  add(std::move(owned), ctx);
}

void PgsqlParser::end(Dir dir) {
  for (const auto& owned : owned_)
    if (!owned->complete[sig::index(dir)]) static_cast<PgsqlTx&>(*owned).done(dir);
}

}  // namespace ww::sensor::pgsql
