/// SSH banners (RFC 4253 4.2), key exchange proposals and their HASSH. Nothing is read after
/// NEWKEYS.
#include <algorithm>

#include "sensors/files/digest.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto ssh_proto = sig::app_protos().intern("ssh");
const EventId invalid_banner = sig::events().intern("ssh.invalid_banner");
const EventId long_banner = sig::events().intern("ssh.long_banner");
const EventId invalid_record = sig::events().intern("ssh.invalid_record");
const EventId long_kex_record = sig::events().intern("ssh.long_kex_record");

const sig::FrameType record_header = sig::frame_types().intern("ssh.record.hdr");
const sig::FrameType record_data = sig::frame_types().intern("ssh.record.data");
const sig::FrameType record_pdu = sig::frame_types().intern("ssh.record.pdu");

constexpr std::int64_t header_octets = 6;
constexpr std::size_t max_banner = 256, max_preamble = 8192, max_kex = 35000, max_hassh = 16384;

struct Side {
  bool banner = false, kex = false, new_keys = false;
  std::string proto, software, hassh, hassh_string;
};
struct SshTx final : Transaction {
  Side side[2];
  bool want_hassh = true;  ///< the event has it, and waits for it
};

class SshParser final : public Parser {
 public:
  explicit SshParser(bool hassh) : hassh_(hassh) {}

  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    const auto d = sig::index(dir);
    if (done_ || (tx_ != nullptr && transactions().empty())) return ParseResult::ok();  // released
    auto& tx = transaction(ctx);
    auto& side = tx.side[d];
    std::size_t at = 0;
    auto result = ParseResult::ok();
    while (at < input.data.size() && !done_) {
      const auto rest = input.data.subspan(at);
      if (!side.banner) {
        const auto text = as_text(rest);
        const auto nl = text.find('\n');
        if (nl == std::string_view::npos) {
          if (rest.size() >= max_banner && text.starts_with("SSH-")) {
            tx.add_event(long_banner);
            banner(tx, d, text.substr(0, max_banner));
            skip_line_[d] = true;
            at = input.data.size();
            break;
          }
          if (rest.size() > max_preamble) {
            tx.add_event(invalid_banner);
            return ParseResult::error();
          }
          if (input.end && text.starts_with("SSH-")) banner(tx, d, text);
          result = ParseResult::more(at, 0);
          break;
        }
        auto line = text.substr(0, nl);
        at += nl + 1;
        if (line.ends_with('\r')) line.remove_suffix(1);
        // A server may say something before its version (RFC 4253 4.2).
        if (!line.starts_with("SSH-")) {
          preamble_ += nl + 1;
          if (d == 0 || preamble_ > max_preamble) {
            tx.add_event(invalid_banner);
            ++tx.revision;
            return ParseResult::error();
          }
          continue;
        }
        if (line.size() >= max_banner) tx.add_event(long_banner);
        banner(tx, d, line.substr(0, max_banner));
        continue;
      }
      if (skip_line_[d]) {
        const auto nl = as_text(rest).find('\n');
        at = nl == std::string_view::npos ? input.data.size() : at + nl + 1;
        skip_line_[d] = nl == std::string_view::npos;
        continue;
      }
      if (side.new_keys) {
        at = input.data.size();
        break;
      }
      if (skip_[d] > 0) {
        const auto n = std::min<std::uint64_t>(skip_[d], rest.size());
        skip_[d] -= n;
        at += static_cast<std::size_t>(n);
        continue;
      }
      if (rest.size() < 6) {
        result = ParseResult::more(at, 6);
        break;
      }
      const std::uint64_t length = load_be32(rest.data());
      if (length < 2 || length > 256 * 1024) {
        tx.add_event(invalid_record);
        ++tx.revision;
        return ParseResult::error();
      }
      const auto type = rest[5];
      const bool whole_record = type == 20 && length <= max_kex;
      if (whole_record && rest.size() < 4 + length) {
        result = ParseResult::more(at, 4 + static_cast<std::size_t>(length));
        break;
      }
      const auto offset = input.offset + at;
      ctx.add_frame(record_header, dir, offset, header_octets, tx.id);
      ctx.add_frame(record_data, dir, offset + header_octets, static_cast<std::int64_t>(length) - 2,
                    tx.id);
      ctx.add_frame(record_pdu, dir, offset, static_cast<std::int64_t>(length) + 4, tx.id);
      if (whole_record) {
        if (tx.want_hassh)
          key_exchange(side, d, rest.subspan(6, static_cast<std::size_t>(length) - 2));
        side.kex = true;
        ++tx.revision;
      } else if (type == 20) {
        tx.add_event(long_kex_record);
        side.kex = true;
      } else if (type == 21) {
        side.new_keys = side.kex = true;
        ++tx.revision;
      }
      skip_[d] = 4 + length;
    }
    finish(ctx, tx, d, input.end);
    return result;
  }

 private:
  SshTx& transaction(ParserContext& ctx) {
    if (tx_ == nullptr) {
      auto owned = std::make_unique<SshTx>();
      owned->proto = ssh_proto;
      owned->want_hassh = hassh_;
      tx_ = &add(std::move(owned), ctx);
      tx_->revision = 1;
    }
    return *tx_;
  }

  static void banner(SshTx& tx, std::size_t d, std::string_view line) {
    auto& side = tx.side[d];
    side.banner = true;
    auto rest = line.substr(4);
    const auto dash = rest.find('-');
    side.proto = rest.substr(0, dash);
    if (dash != std::string_view::npos) {
      const auto software = rest.substr(dash + 1);
      side.software = software.substr(0, software.find(' '));
    } else {
      tx.add_event(invalid_banner);
    }
    tx.progress[d] = 1;
    ++tx.revision;
  }

  /// HASSH: MD5 over the lists of key exchange, encryption, MAC and compression of the sender's own
  /// direction.
  static void key_exchange(Side& side, std::size_t d, Bytes payload) {
    ByteReader in(payload);
    in.skip(16);  // cookie
    std::string_view lists[8];
    for (auto& l : lists) {
      const auto n = in.u32be();
      l = in.text(n);
    }
    if (!in.ok()) return;
    auto& s = side.hassh_string;
    for (const std::size_t i : {std::size_t{0}, 2 + d, 4 + d, 6 + d}) {
      if (!s.empty() || i != 0) s += ';';
      s += lists[i];
    }
    if (s.size() > max_hassh) s.resize(max_hassh);
    Digest md5(Digest::Kind::md5);
    md5.update(as_bytes(s));
    side.hassh = md5.finish();
  }

  void finish(ParserContext& ctx, SshTx& tx, std::size_t d, bool end) {
    if (end) {
      tx.complete[d] = true;
      ++tx.revision;
    }
    if (tx.side[0].new_keys && tx.side[1].new_keys && !done_) {
      done_ = true;
      tx.complete[0] = tx.complete[1] = true;
      tx.progress[0] = tx.progress[1] = 2;
      ++tx.revision;
      ctx.bypass_payload();
    }
  }

  bool hassh_;
  SshTx* tx_ = nullptr;
  bool done_ = false;
  bool skip_line_[2] = {false, false};
  std::uint64_t skip_[2] = {0, 0};
  std::size_t preamble_ = 0;
};

const SshTx& as_tx(const Transaction& t) { return static_cast<const SshTx&>(t); }

BufferStatus give(const SshTx& tx, std::size_t d, bool there, const std::string& text,
                  BufferSlice& out) {
  if (!text.empty()) {
    out.data = as_bytes(text);
    return BufferStatus::ready;
  }
  return there || tx.complete[d] ? BufferStatus::absent : BufferStatus::not_ready;
}
template <std::string Side::* member, bool banner>
BufferStatus get(const Transaction& t, Dir dir, std::uint32_t i, BufferSlice& out) {
  if (i > 0) return BufferStatus::absent;
  const auto& tx = as_tx(t);
  const auto& side = tx.side[sig::index(dir)];
  return give(tx, sig::index(dir), banner ? side.banner : side.kex, side.*member, out);
}

template <std::uint8_t wanted>
BufferStatus get_state(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  if (i > 0) return BufferStatus::absent;
  const auto d = sig::index(dir);
  out = t.complete[d] || t.progress[d] >= wanted ? 1 : 0;
  return out != 0 ? BufferStatus::ready : BufferStatus::partial;
}

void write_side(JsonWriter& json, std::string_view name, const Side& s) {
  if (s.proto.empty() && s.hassh.empty()) return;
  json.begin_object(name);
  if (!s.proto.empty()) json.field_bytes("proto_version", as_bytes(s.proto));
  if (!s.software.empty()) json.field_bytes("software_version", as_bytes(s.software));
  if (!s.hassh.empty()) {
    json.begin_object("hassh");
    json.field("hash", s.hassh);
    json.field_bytes("string", as_bytes(s.hassh_string));
    json.end_object();
  }
  json.end_object();
}
bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_tx(t);
  if (tx.side[0].proto.empty() && tx.side[1].proto.empty()) return false;
  json.begin_object("ssh");
  write_side(json, "client", tx.side[0]);
  write_side(json, "server", tx.side[1]);
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "ssh";
  p.rule_names = {"ssh"};
  p.tcp = true;
  p.tcp_ports = "22";
  for (const auto dir : {Dir::to_server, Dir::to_client})
    p.patterns.push_back({.ip_proto = 6, .dir = dir, .octets = "SSH-", .offset = 0, .depth = 4});
  p.make = [](const Settings& s) -> std::unique_ptr<Parser> {
    const auto hassh = s.text_or("app-layer.protocols.ssh.hassh", "auto");
    // "auto" becomes "yes" where a rule asks for it.
    return std::make_unique<SshParser>(hassh != "auto" && parse_flag(hassh).value_or(false));
  };
  Logger logger;
  logger.event_type = logger.settings_name = "ssh";
  logger.ready = [](const Transaction& t) {
    const auto& tx = as_tx(t);
    if (!tx.side[0].banner || !tx.side[1].banner) return tx.complete[0] && tx.complete[1];
    return !tx.want_hassh || (tx.side[0].kex && tx.side[1].kex) || tx.complete[0] || tx.complete[1];
  };
  logger.write = &log;
  p.loggers = {logger};
  const auto add = [&](std::string_view name, Dir dir, sig::BufferGetter getter) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), dir, getter});
  };
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    add("ssh.proto", dir, &get<&Side::proto, true>);
    add("ssh.software", dir, &get<&Side::software, true>);
  }
  add("ssh.hassh", Dir::to_server, &get<&Side::hassh, false>);
  add("ssh.hassh.string", Dir::to_server, &get<&Side::hassh_string, false>);
  add("ssh.hassh.server", Dir::to_client, &get<&Side::hassh, false>);
  add("ssh.hassh.server.string", Dir::to_client, &get<&Side::hassh_string, false>);
  // States that rule hooks name (`ssh:request_banner_done`): reached, or passed.
  const auto state = [&](std::string_view name, sig::NumberGetter get) {
    for (const auto dir : {Dir::to_server, Dir::to_client})
      p.buffers.numbers.push_back(
          {sig::numbers().intern(
               (dir == Dir::to_server ? "ssh.progress.request_" : "ssh.progress.response_") +
               std::string(name)),
           dir, get});
  };
  state("in_progress", &get_state<0>);
  state("banner_wait_eol", &get_state<1>);
  state("banner_done", &get_state<1>);
  state("finished", &get_state<2>);
  p.events = {"ssh.invalid_banner", "ssh.long_banner", "ssh.invalid_record", "ssh.long_kex_record"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
