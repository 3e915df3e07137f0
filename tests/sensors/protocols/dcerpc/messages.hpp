#pragma once
/// DCE/RPC fragments for tests (C706 chapter 12, MS-RPCE 2.2.2).
#include "tests/sensors/protocols/talk.hpp"

namespace ww::sensor::test::rpc {

constexpr unsigned first = 1, last = 2, whole = first | last;

inline std::string fragment(unsigned type, unsigned flags, unsigned call, const std::string& body) {
  return "\5" + std::string(1, '\0') + static_cast<char>(type) + static_cast<char>(flags) +
         unhex("10000000") + le<2>(16 + body.size()) + le<2>(0) + le<4>(call) + body;
}
/// 367abb81-9844-35f1-ad32-98f038001003: the service control manager.
inline const std::string svcctl = unhex("81bb7a36 4498 f135 ad32 98f038001003");
inline const std::string svcctl_text = "367abb81-9844-35f1-ad32-98f038001003";
inline std::string bind(unsigned call, unsigned flags = whole, unsigned context = 0) {
  return fragment(11, flags, call,
                  le<2>(4280) + le<2>(4280) + le<4>(0) + unhex("01000000") + le<2>(context) +
                      unhex("0100") + svcctl + le<2>(2) + le<2>(0) +
                      unhex("045d888aeb1cc9119fe808002b104860") + le<4>(2));
}
inline std::string bind_ack(unsigned call, unsigned result = 0, unsigned reason = 0) {
  return fragment(12, whole, call,
                  le<2>(4280) + le<2>(4280) + le<4>(1) + le<2>(4) + std::string("135\0", 4) +
                      unhex("0000") + unhex("01000000") + le<2>(result) + le<2>(reason) +
                      unhex("045d888aeb1cc9119fe808002b104860") + le<4>(2));
}
inline std::string request(unsigned call, unsigned opnum, const std::string& stub,
                           unsigned flags = whole, unsigned context = 0) {
  return fragment(0, flags, call, le<4>(stub.size()) + le<2>(context) + le<2>(opnum) + stub);
}
inline std::string response(unsigned call, const std::string& stub, unsigned flags = whole) {
  return fragment(2, flags, call, le<4>(stub.size()) + le<2>(0) + le<2>(0) + stub);
}
/// As dcerpc.iface is compared: UUID, version, "in the first fragment".
inline std::string iface(bool in_first) {
  return unhex("367abb81984435f1ad3298f038001003") + be<2>(2) + (in_first ? '\1' : '\0');
}

}  // namespace ww::sensor::test::rpc
