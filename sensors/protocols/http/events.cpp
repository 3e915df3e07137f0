#include "sensors/protocols/http/events.hpp"

namespace ww::sensor::http {
namespace {

constexpr std::string_view names[] = {"unknown_error",
                                      "gzip_decompression_failed",
                                      "request_field_missing_colon",
                                      "response_field_missing_colon",
                                      "invalid_request_chunk_len",
                                      "invalid_response_chunk_len",
                                      "invalid_transfer_encoding_value_in_request",
                                      "invalid_transfer_encoding_value_in_response",
                                      "invalid_content_length_field_in_request",
                                      "invalid_content_length_field_in_response",
                                      "duplicate_content_length_field_in_request",
                                      "duplicate_content_length_field_in_response",
                                      "100_continue_already_seen",
                                      "unable_to_match_response_to_request",
                                      "invalid_server_port_in_request",
                                      "invalid_authority_port",
                                      "request_header_invalid",
                                      "response_header_invalid",
                                      "missing_host_header",
                                      "host_header_ambiguous",
                                      "invalid_request_field_folding",
                                      "invalid_response_field_folding",
                                      "request_field_too_long",
                                      "response_field_too_long",
                                      "request_line_invalid",
                                      "request_body_unexpected",
                                      "response_body_unexpected",
                                      "request_server_port_tcp_port_mismatch",
                                      "request_uri_host_invalid",
                                      "request_header_host_invalid",
                                      "request_auth_unrecognized",
                                      "request_header_repetition",
                                      "response_header_repetition",
                                      "double_encoded_uri",
                                      "uri_delim_non_compliant",
                                      "method_delim_non_compliant",
                                      "request_line_leading_whitespace",
                                      "too_many_encoding_layers",
                                      "request_too_many_lzma_layers",
                                      "response_too_many_lzma_layers",
                                      "abnormal_ce_header",
                                      "response_multipart_byteranges",
                                      "response_abnormal_transfer_encoding",
                                      "response_chunked_old_proto",
                                      "response_invalid_protocol",
                                      "response_invalid_status",
                                      "request_line_incomplete",
                                      "request_line_missing_protocol",
                                      "request_chunk_extension",
                                      "response_chunk_extension",
                                      "request_too_many_headers",
                                      "response_too_many_headers",
                                      "lzma_memlimit_reached",
                                      "compression_bomb",
                                      "range_invalid",
                                      "too_many_warnings",
                                      "file_name_too_long",
                                      "failed_protocol_change",
                                      "multipart_generic_error",
                                      "multipart_no_filedata",
                                      "multipart_invalid_header"};

struct MessageEvent {
  std::string_view start, name;
};
/// libhtp says what it met in words; the first start that fits decides.
constexpr MessageEvent messages[] = {
    {"Request field invalid: colon missing", "request_field_missing_colon"},
    {"Response field invalid: missing colon", "response_field_missing_colon"},
    {"Response field invalid: colon missing", "response_field_missing_colon"},
    {"Request chunk encoding: Invalid chunk length", "invalid_request_chunk_len"},
    {"Response chunk encoding: Invalid chunk length", "invalid_response_chunk_len"},
    {"Invalid C-L field in response", "invalid_content_length_field_in_response"},
    {"Already seen 100-Continue", "100_continue_already_seen"},
    {"Unable to match response to request", "unable_to_match_response_to_request"},
    {"Invalid server port information in request", "invalid_server_port_in_request"},
    {"Request buffer over", "request_field_too_long"},
    {"Response buffer over", "response_field_too_long"},
    {"Request the buffer limit", "request_field_too_long"},
    {"Response the buffer limit", "response_field_too_long"},
    {"C-T multipart/byteranges in responses not supported", "response_multipart_byteranges"},
    {"Request field invalid", "request_header_invalid"},
    {"Response field invalid", "response_header_invalid"},
    {"Request header name is not a token", "request_header_invalid"},
    {"Response header name is not a token", "response_header_invalid"},
    {"Invalid request field folding", "invalid_request_field_folding"},
    {"Invalid response field folding", "invalid_response_field_folding"},
    {"Request server port=", "request_server_port_tcp_port_mismatch"},
    {"Request line: URI contains non-compliant delimiter", "uri_delim_non_compliant"},
    {"Request line: non-compliant delimiter between Method and URI", "method_delim_non_compliant"},
    {"Request line: leading whitespace", "request_line_leading_whitespace"},
    {"Request line: missing protocol", "request_line_missing_protocol"},
    {"Excessive request header repetitions", "request_header_repetition"},
    {"Excessive response header repetitions", "response_header_repetition"},
    {"Repetition for header", ""},  // of either direction: the headers themselves tell
    {"Transfer-encoding has abnormal chunked value", "response_abnormal_transfer_encoding"},
    {"Chunked transfer-encoding on HTTP/0.9 or HTTP/1.0", "response_chunked_old_proto"},
    {"Invalid response line: invalid protocol", "response_invalid_protocol"},
    {"Invalid response line: invalid response status", "response_invalid_status"},
    {"Request line incomplete", "request_line_incomplete"},
    {"Unexpected request body", "request_body_unexpected"},
    {"Unexpected response body", "response_body_unexpected"},
    {"Unexpected Response body", "response_body_unexpected"},
    {"Ambiguous request C-L value", "duplicate_content_length_field_in_request"},
    {"Ambiguous response C-L value", "duplicate_content_length_field_in_response"},
    {"Request field length exceeds folded maximum", "request_field_too_long"},
    {"Response field length exceeds folded maximum", "response_field_too_long"},
    // Notes that are no events.
    {"Missing inbound transaction data", ""},
    {"Missing outbound transaction data", ""},
    {"Inbound parser is in", ""},
    {"Outbound parser is in", ""},
    {"C-L value with extra data", ""},
    {"Request line: unknown method", ""},
    {"Response header value contains null", ""},
    {"Too many request headers", "request_too_many_headers"},
    {"Too many response headers", "response_too_many_headers"},
};

}  // namespace

const std::vector<std::string>& event_names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> v;
    for (const auto n : names) v.push_back("http." + std::string(n));
    return v;
  }();
  return all;
}

sig::EventId event(std::string_view name) {
  return sig::events().find("http." + std::string(name));
}

sig::EventId event_of_message(std::string_view message) {
  for (const auto& m : messages)
    if (message.starts_with(m.start)) return m.name.empty() ? sig::EventId{} : event(m.name);
  return event("unknown_error");
}

sig::EventId event_of(DecodeEvent e) {
  switch (e) {
    case DecodeEvent::too_many_layers:
      return event("too_many_encoding_layers");
    case DecodeEvent::abnormal_coding:
      return event("abnormal_ce_header");
    case DecodeEvent::failed:
      return event("gzip_decompression_failed");
    case DecodeEvent::bomb:
      return event("compression_bomb");
    case DecodeEvent::lzma_memory:
      return event("lzma_memlimit_reached");
  }
  return {};
}

}  // namespace ww::sensor::http
