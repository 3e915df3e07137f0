#include "sensors/protocols/dcerpc/call.hpp"

#include <algorithm>

namespace ww::dcerpc {

void Half::add(const Header& h, Bytes octets) {
  seen = true;
  type = h.type;
  ++fragments;
  stub_size += octets.size();
  stub.append(
      as_text(octets.first(std::min(octets.size(), max_stub - std::min(max_stub, stub.size())))));
  if (h.last()) done = true;
}

void Exchange::set_interface(const Interface& f, bool first_fragment) {
  iface.assign(reinterpret_cast<const char*>(f.uuid.data()), f.uuid.size());
  iface += static_cast<char>(f.major >> 8);
  iface += static_cast<char>(f.major & 0xff);
  iface += first_fragment ? '\1' : '\0';
}

void write_exchange(const Exchange& x, JsonWriter& json) {
  if (x.req.seen) {
    json.field("request", type_name(x.req.type));
    if (x.req.type == request) {
      json.begin_object("req");
      json.field("opnum", x.opnum);
      json.field("frag_cnt", x.req.fragments);
      json.field("stub_data_size", x.req.stub_size);
      json.end_object();
    } else if (x.req.type == bind && !x.interfaces.empty()) {
      json.begin_array("interfaces");
      for (const auto& f : x.interfaces) {
        json.begin_object();
        json.field("uuid", uuid_text(f.uuid));
        json.field("version", std::to_string(f.major) + "." + std::to_string(f.minor));
        if (f.answered) json.field("ack_result", f.result);
        json.end_object();
      }
      json.end_array();
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
