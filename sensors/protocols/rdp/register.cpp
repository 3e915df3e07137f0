/// RDP as a sensor protocol. The stream stays RDP when the two sides turn to TLS: the server's
/// certificates are the last thing read.
#include <algorithm>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/rdp/rdp.hpp"

namespace ww::sensor::rdp {
namespace {

using ww::rdp::Kind;
using ww::rdp::Status;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto proto = sig::app_protos().intern("rdp");

constexpr std::size_t max_handshake = 64U << 10;  ///< octets of the server's TLS handshake kept

namespace record {
constexpr std::uint8_t change_cipher_spec = 20, handshake = 22, application_data = 23;
}

class RdpParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    const auto d = sig::index(dir);
    std::size_t at = 0;
    while (at < input.data.size() && !done_) {
      const auto rest = input.data.subspan(at);
      if (!tls_[d] && rest[0] == record::handshake) tls_[d] = true;
      std::size_t used = 0;
      const auto status = tls_[d] ? tls_record(ctx, dir, rest, used) : tpkt(ctx, dir, rest, used);
      if (status == Status::need_more) return ParseResult::more(at, used);
      if (status == Status::malformed) return ParseResult::error();
      at += used;
    }
    return ParseResult::ok();
  }

 private:
  Status tpkt(ParserContext& ctx, Dir dir, Bytes in, std::size_t& used) {
    ww::rdp::Message m;
    const auto status = ww::rdp::parse_tpkt(in, m, used);
    if (status != Status::ok) return status;
    const bool from_client = m.kind == Kind::connection_request || m.kind == Kind::connect_request;
    if (m.kind == Kind::other || from_client != (dir == Dir::to_server)) return status;
    if (m.kind == Kind::connect_response) done_ = true;
    transaction(ctx, dir).message = std::move(m);
    return status;
  }

  Status tls_record(ParserContext& ctx, Dir dir, Bytes in, std::size_t& used) {
    if (in.size() < 5) return Status::need_more;
    const auto type = in[0];
    if (type < record::change_cipher_spec || type > record::application_data || in[1] != 3)
      return Status::malformed;
    used = 5U + load_be16(in.data() + 3);
    if (in.size() < used) return Status::need_more;
    if (dir == Dir::to_server) return Status::ok;
    if (type == record::change_cipher_spec || type == record::application_data) {
      done_ = true;  // the rest is encrypted: no certificate will come in the clear
      return Status::ok;
    }
    if (type == record::handshake) handshake(ctx, in.subspan(5, used - 5));
    return Status::ok;
  }

  void handshake(ParserContext& ctx, Bytes fragment) {
    constexpr std::uint8_t certificate = 11;
    if (handshake_.size() + fragment.size() > max_handshake) {
      done_ = true;
      return;
    }
    handshake_ += as_text(fragment);
    std::string_view left = handshake_;
    while (left.size() >= 4 && !done_) {
      ByteReader in(as_bytes(left));
      const auto type = in.u8();
      const auto length = in.u24be();
      if (in.left() < length) break;
      const auto body = in.bytes(length);
      if (type == certificate) {
        auto& tx = transaction(ctx, Dir::to_client);
        tx.tls = true;
        tx.serials = ww::rdp::certificate_serials(body);
        done_ = true;
      }
      left.remove_prefix(4 + length);
    }
    handshake_ = done_ ? std::string() : std::string(left);
  }

  RdpTx& transaction(ParserContext& ctx, Dir dir) {
    auto owned = std::make_unique<RdpTx>();
    owned->proto = proto;
    owned->only[sig::index(dir)] = true;
    owned->complete[0] = owned->complete[1] = true;
    owned->progress[0] = owned->progress[1] = 1;
    owned->revision = 1;
    return add(std::move(owned), ctx);
  }

  bool tls_[2] = {false, false};
  bool done_ = false;
  std::string handshake_;
};

Probe probe(Bytes data, Dir, const sig::Flow&) {
  return !data.empty() && data[0] == 3 ? Probe::yes : Probe::no;
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  write_rdp(static_cast<const RdpTx&>(t), json);
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "rdp";
  p.rule_names = {"rdp"};
  p.tcp = true;
  p.tcp_ports = "3389";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<RdpParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "rdp";
  logger.write = &log;
  logger.direction = [](const Transaction& t) {
    return t.only[1] ? Dir::to_client : Dir::to_server;
  };
  p.loggers = {logger};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::rdp
