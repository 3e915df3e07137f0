/// SIP, RFB (VNC), WebSocket, QUIC.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

const BufferRegistration sip_buffers{
    "sip",
    "sip",
    {
        {"sip.method", "request method", "content:\"INVITE\";"},
        {"sip.uri", "request URI", "content:\"sip:\";"},
        {"sip.request_line", "request line", "content:\"REGISTER\"; startswith;"},
        {"sip.stat_code", "status code", "content:\"100\";"},
        {"sip.stat_msg", "status text", "content:\"Trying\";"},
        {"sip.response_line", "status line", "content:\"SIP/2.0 100\";"},
        {"sip.protocol", "protocol version", "content:\"SIP/2.0\";"},
        {"sip.from", "From", "content:\"sip:\";", {}, "", true},
        {"sip.to", "To", "content:\"sip:\";", {}, "", true},
        {"sip.via", "Via", "content:\"SIP/2.0/UDP\";", {}, "", true},
        {"sip.user_agent", "User-Agent", "content:\"Asterisk\";", {}, "", true},
        {"sip.content_type", "Content-Type", "content:\"application/sdp\";", {}, "", true},
        {"sip.content_length", "Content-Length as text", "content:\"200\";", {}, "", true},
        {"sdp.session_name", "SDP session name", "content:\"call\";"},
        {"sdp.origin", "SDP origin", "content:\"IN IP4\";"},
        {"sdp.session_info", "SDP session information", "content:\"a\";"},
        {"sdp.uri", "SDP URI", "content:\"http\";"},
        {"sdp.email", "SDP e-mail address", "content:\"@\";", {}, "", true},
        {"sdp.phone_number", "SDP telephone number", "content:\"+44\";", {}, "", true},
        {"sdp.connection_data", "SDP connection data", "content:\"IN IP4\";"},
        {"sdp.bandwidth", "SDP bandwidth", "content:\"AS:\";", {}, "", true},
        {"sdp.time", "SDP time", "content:\"0 0\";", {}, "", true},
        {"sdp.repeat_time", "SDP repeat time", "content:\"7d\";", {}, "", true},
        {"sdp.timezone", "SDP time zone", "content:\"-1h\";"},
        {"sdp.encryption_key", "SDP encryption key", "content:\"prompt\";"},
        {"sdp.attribute", "SDP attribute", "content:\"sendrecv\";", {}, "", true},
        {"sdp.media.media", "SDP media line", "content:\"audio\";", {}, "", true},
        {"sdp.media.media_title",
         "SDP media title",
         "content:\"a\";",
         {"sdp.media.media_info", "sdp.media.session_info"},
         "",
         true},
        {"sdp.media.bandwidth", "SDP bandwidth of a media", "content:\"AS:\";", {}, "", true},
        {"sdp.media.connection_data",
         "SDP connection data of a media",
         "content:\"IN IP4\";",
         {},
         "",
         true},
        {"sdp.media.encryption_key",
         "SDP encryption key of a media",
         "content:\"prompt\";",
         {},
         "",
         true},
        {"sdp.media.attribute", "SDP attribute of a media", "content:\"rtpmap\";", {}, "", true},
    }};
const BufferRegistration rfb_buffers{
    "rfb", "rfb", {{"rfb.name", "name of the desktop", "content:\"alice\";"}}};
const NumberRegistration rfb_numbers{"rfb",
                                     "rfb",
                                     {
                                         {"rfb.sectype", "security type", ">1", UINT32_MAX},
                                         {"rfb.secresult",
                                          "result of the security handshake",
                                          "ok",
                                          UINT32_MAX,
                                          {{"ok", 0}, {"fail", 1}, {"toomany", 2}, {"unknown", 3}}},
                                     }};
const BufferRegistration websocket_buffers{
    "websocket",
    "websocket",
    {{"websocket.payload", "payload of a message, unmasked", "content:\"abc\";"}}};
const NumberRegistration websocket_numbers{"websocket",
                                           "websocket",
                                           {
                                               {"websocket.mask", "masking key", "1", UINT32_MAX},
                                               {"websocket.opcode",
                                                "operation code",
                                                "text",
                                                255,
                                                {{"continuation", 0},
                                                 {"text", 1},
                                                 {"binary", 2},
                                                 {"connection_close", 8},
                                                 {"ping", 9},
                                                 {"pong", 10}}},
                                           }};
Status websocket_flags(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  return setup_flag_list(b, k.buffer, o.value, k);
}
const KeywordRegistration registration{{.name = "websocket.flags",
                                        .group = "websocket",
                                        .summary = "flags: fin, comp",
                                        .example = "websocket.flags:fin,!comp;",
                                        .setup = &websocket_flags,
                                        .buffer = "websocket.flags",
                                        .protos = "websocket",
                                        .max = 255,
                                        .names = {{"fin", 0x80}, {"comp", 0x40}}}};
const BufferRegistration quic_buffers{
    "quic",
    "quic",
    {
        {"quic.version", "version as text", "content:\"1\";"},
        {"quic.sni", "server name", "content:\"example.org\";"},
        {"quic.ua", "user agent (gQUIC)", "content:\"Chrome\";"},
        {"quic.cyu.hash", "CYU fingerprint", "content:\"7b3c\";", {}, "", true},
        {"quic.cyu.string", "text behind the CYU fingerprint", "content:\"46,PAD\";", {}, "", true},
    }};

}  // namespace
}  // namespace ww::sig
