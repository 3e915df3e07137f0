// The query language: never crashes, and the canonical text of what it accepts means the same.
#include <cstdlib>

#include "collector/store/query_eval.hpp"

using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string_view events[] = {
      R"({"event_type":"dns","src_ip":"10.1.2.3","dest_port":53,"dns":{"rrname":"www.Example.org"},"ww":{"site":"a","sensor":"b"}})",
      R"({"event_type":"log","log":{"message":"Failed password for root from 10.1.2.3 port 22","fields":{"EventID":4625,"a.b":"x*y"}}})"};
  const auto expr = parse_query({reinterpret_cast<const char*>(data), size});
  if (!expr) {
    if (expr.error().what.empty()) std::abort();
    return 0;
  }
  const auto text = query_text(**expr);
  ExprLimits wide;
  wide.max_text = 1 << 20;
  wide.max_depth = 64;
  auto again = parse_query(text, wide);
  if (!again || query_text(**again) != text) std::abort();
  auto first = parse_query({reinterpret_cast<const char*>(data), size});
  const Matcher a(std::move(*first));
  const Matcher b(std::move(*again));
  EventScanner scanner;
  const StreamName stream{"a", "b", "dns"};
  for (const auto e : events)
    if (a.on_event(e, scanner) != b.on_event(e, scanner)) std::abort();
  if (a.on_stream(stream, ~std::uint64_t{0}) == Maybe::no && a.on_event(events[0], scanner))
    std::abort();
  return 0;
}
