/// What SIP and SDP offer to rules and outputs.
#include "sensors/protocols/sip/sip.hpp"

namespace ww::sensor::sip {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;
using ww::sip::Message;

BufferStatus give(const std::string* s, BufferSlice& out) {
  if (s == nullptr || s->empty()) return BufferStatus::absent;
  out.data = as_bytes(*s);
  return BufferStatus::ready;
}
const std::string* at(const std::vector<std::string>& list, std::size_t i) {
  return i < list.size() ? &list[i] : nullptr;
}
const std::string* one(const std::optional<std::string>& s, std::size_t i) {
  return s && i == 0 ? &*s : nullptr;
}

/// A part of the first line, of requests or of responses.
enum class Of : std::uint8_t { request, response, both };
template <auto member, Of of>
BufferStatus part(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& m = as_sip(t).message;
  if (i > 0 || !m) return BufferStatus::absent;
  if (of != Of::both && m->request != (of == Of::request)) return BufferStatus::absent;
  return give(&((*m).*member), out);
}

constexpr const char* header_names[] = {"From",       "To",           "Via",
                                        "User-Agent", "Content-Type", "Content-Length"};
template <std::size_t n>
BufferStatus header(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& m = as_sip(t).message;
  return m ? give(find_header(*m, header_names[n], i), out) : BufferStatus::absent;
}

const sdp::Description* description(const Transaction& t) {
  const auto& m = as_sip(t).message;
  return m && m->sdp ? &*m->sdp : nullptr;
}
template <auto get>
BufferStatus session(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto* d = description(t);
  return d != nullptr ? give(get(*d, i), out) : BufferStatus::absent;
}

/// The ith of a list that every media description has.
template <auto member>
const std::string* of_media(const sdp::Description& d, std::size_t i) {
  for (const auto& m : d.media) {
    const auto& list = m.*member;
    if (i < list.size()) return &list[i];
    i -= list.size();
  }
  return nullptr;
}
/// The ith of those that have it.
template <auto member>
const std::string* each_media(const sdp::Description& d, std::size_t i) {
  for (const auto& m : d.media)
    if ((m.*member) && i-- == 0) return &*(m.*member);
  return nullptr;
}

using D = sdp::Description;
constexpr auto get_origin = [](const D& d, std::size_t i) { return i == 0 ? &d.origin : nullptr; };
constexpr auto get_name = [](const D& d, std::size_t i) { return i == 0 ? &d.name : nullptr; };
constexpr auto get_info = [](const D& d, std::size_t i) { return one(d.info, i); };
constexpr auto get_uri = [](const D& d, std::size_t i) { return one(d.uri, i); };
constexpr auto get_email = [](const D& d, std::size_t i) { return one(d.email, i); };
constexpr auto get_phone = [](const D& d, std::size_t i) { return one(d.phone, i); };
constexpr auto get_connection = [](const D& d, std::size_t i) { return one(d.connection, i); };
constexpr auto get_bandwidth = [](const D& d, std::size_t i) { return at(d.bandwidths, i); };
constexpr auto get_timezone = [](const D& d, std::size_t i) { return one(d.timezone, i); };
constexpr auto get_key = [](const D& d, std::size_t i) { return one(d.key, i); };
constexpr auto get_attribute = [](const D& d, std::size_t i) { return at(d.attributes, i); };
constexpr auto get_time = [](const D& d, std::size_t i) {
  return i < d.times.size() ? &d.times[i].time : nullptr;
};
constexpr auto get_repeat = [](const D& d, std::size_t i) -> const std::string* {
  for (const auto& t : d.times) {
    if (i < t.repeats.size()) return &t.repeats[i];
    i -= t.repeats.size();
  }
  return nullptr;
};
constexpr auto get_media = [](const D& d, std::size_t i) {
  return i < d.media.size() ? &d.media[i].media : nullptr;
};

void add_buffers(Protocol& p) {
  const auto add = [&](std::string_view name, Dir dir, sig::BufferGetter get) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), dir, get});
  };
  add("sip.method", Dir::to_server, &part<&Message::method, Of::request>);
  add("sip.uri", Dir::to_server, &part<&Message::uri, Of::request>);
  add("sip.request_line", Dir::to_server, &part<&Message::line, Of::request>);
  add("sip.stat_code", Dir::to_client, &part<&Message::code, Of::response>);
  add("sip.stat_msg", Dir::to_client, &part<&Message::reason, Of::response>);
  add("sip.response_line", Dir::to_client, &part<&Message::line, Of::response>);
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    add("sip.protocol", dir, &part<&Message::version, Of::both>);
    add("sip.from", dir, &header<0>);
    add("sip.to", dir, &header<1>);
    add("sip.via", dir, &header<2>);
    add("sip.user_agent", dir, &header<3>);
    add("sip.content_type", dir, &header<4>);
    add("sip.content_length", dir, &header<5>);
    add("sdp.origin", dir, &session<get_origin>);
    add("sdp.session_name", dir, &session<get_name>);
    add("sdp.session_info", dir, &session<get_info>);
    add("sdp.uri", dir, &session<get_uri>);
    add("sdp.email", dir, &session<get_email>);
    add("sdp.phone_number", dir, &session<get_phone>);
    add("sdp.connection_data", dir, &session<get_connection>);
    add("sdp.bandwidth", dir, &session<get_bandwidth>);
    add("sdp.time", dir, &session<get_time>);
    add("sdp.repeat_time", dir, &session<get_repeat>);
    add("sdp.timezone", dir, &session<get_timezone>);
    add("sdp.encryption_key", dir, &session<get_key>);
    add("sdp.attribute", dir, &session<get_attribute>);
    add("sdp.media.media", dir, &session<get_media>);
    add("sdp.media.media_title", dir, &session<&each_media<&sdp::Media::title>>);
    add("sdp.media.connection_data", dir, &session<&each_media<&sdp::Media::connection>>);
    add("sdp.media.encryption_key", dir, &session<&each_media<&sdp::Media::key>>);
    add("sdp.media.bandwidth", dir, &session<&of_media<&sdp::Media::bandwidths>>);
    add("sdp.media.attribute", dir, &session<&of_media<&sdp::Media::attributes>>);
  }
}

/// A method alone is no proof (NOTIFY is also SSDP's): the first line must name SIP.
Probe probe(Bytes data, Dir dir, const sig::Flow& flow) {
  const auto text = as_text(data);
  if (text.starts_with("SIP/2.0 ")) return dir == Dir::to_client ? Probe::yes : Probe::reversed;
  constexpr std::size_t max_line = 4096;
  const auto nl = text.substr(0, max_line).find('\n');
  if (nl == std::string_view::npos)
    return flow.ip_proto == 6 && text.size() < max_line ? Probe::maybe : Probe::no;
  return text.substr(0, nl).find(" SIP/2.0") != std::string_view::npos ? Probe::yes : Probe::no;
}

void add_patterns(Protocol& p) {
  for (const std::uint8_t ip_proto : {std::uint8_t{6}, std::uint8_t{17}}) {
    for (const std::string method :
         {"REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "REFER", "PRACK", "SUBSCRIBE",
          "NOTIFY", "PUBLISH", "MESSAGE", "INFO", "OPTIONS"})
      p.patterns.push_back({.ip_proto = ip_proto,
                            .dir = Dir::to_server,
                            .octets = method + " ",
                            .offset = 0,
                            .depth = static_cast<std::uint16_t>(method.size() + 1),
                            .min_octets = 8});
    p.patterns.push_back({.ip_proto = ip_proto,
                          .dir = Dir::to_client,
                          .octets = "SIP/2.0 ",
                          .offset = 0,
                          .depth = 8});
  }
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "sip";
  p.rule_names = {"sip"};
  p.tcp = p.udp = true;
  add_patterns(p);
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<SipParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "sip";
  logger.write = &write_eve;
  logger.write_alert = &write_alert;
  logger.direction = [](const Transaction& t) { return as_sip(t).dir; };
  p.loggers = {logger};
  add_buffers(p);
  p.events = {"sip.incomplete_data", "sip.invalid_data"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::sip
