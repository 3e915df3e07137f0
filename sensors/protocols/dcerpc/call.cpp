#include "sensors/protocols/dcerpc/call.hpp"

#include <algorithm>

namespace ww::dcerpc {

void Half::add(const Header& h, Bytes octets) {
  seen = true;
  type = h.type;
  little = h.little;
  ++fragments;
  stub_size += octets.size();
  stub.append(
      as_text(octets.first(std::min(octets.size(), max_stub - std::min(max_stub, stub.size())))));
  if (h.last()) done = true;
}

void Exchange::add_interface(const Interface& f, bool first_fragment) {
  std::string code(reinterpret_cast<const char*>(f.uuid.data()), f.uuid.size());
  code += static_cast<char>(f.major >> 8);
  code += static_cast<char>(f.major & 0xff);
  code += first_fragment ? '\1' : '\0';
  iface.push_back(std::move(code));
}

namespace {

void write_interfaces(const Exchange& x, bool pipe, JsonWriter& json) {
  if (x.interfaces.empty()) return;
  // Over a pipe only the answer to a bind has results.
  const bool results = !pipe || x.req.type == bind;
  json.begin_array("interfaces");
  for (const auto& f : x.interfaces) {
    json.begin_object();
    json.field("uuid", uuid_text(f.uuid));
    json.field("version", std::to_string(f.major) + "." + std::to_string(f.minor));
    if (f.answered && results) {
      json.field("ack_result", f.result);
      if (pipe) json.field("ack_reason", f.reason);
    }
    json.end_object();
  }
  json.end_array();
}

}  // namespace

void write_exchange(const Exchange& x, bool pipe, JsonWriter& json) {
  if (x.req.seen) {
    json.field("request", type_name(x.req.type));
    if (x.req.type == request) {
      if (pipe) json.field("opnum", x.opnum);
      json.begin_object("req");
      if (!pipe) json.field("opnum", x.opnum);
      json.field("frag_cnt", x.req.fragments);
      json.field("stub_data_size", x.req.stub_size);
      json.end_object();
      write_interfaces(x, pipe, json);
    } else if (x.req.type == bind) {
      write_interfaces(x, pipe, json);
    }
  } else {
    json.field("request", "REQUEST_LOST");
  }
  if (x.res.seen) {
    json.field("response", type_name(x.res.type));
    if (x.res.type == response) {
      json.begin_object("res");
      json.field("frag_cnt", x.res.fragments);
      json.field("stub_data_size", x.res.stub_size);
      json.end_object();
    }
  } else {
    json.field("response", "UNREPLIED");
  }
}

}  // namespace ww::dcerpc
