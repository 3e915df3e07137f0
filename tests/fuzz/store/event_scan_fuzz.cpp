// The event scanner accepts just what simdjson accepts, and a block built from it gives the event
// back: found by every one of its own values, through the filter.
#include <simdjson.h>

#include <cstdlib>

#include "collector/store/block.hpp"
#include "collector/store/query_eval.hpp"
#include "collector/store/words.hpp"

using namespace ww;
using namespace ww::collector;

namespace {
struct Collect {
  std::vector<std::pair<std::string, std::string>> values;
  void scalar(ScalarKind kind, std::string_view value, std::string_view path) {
    constexpr std::size_t most = 40;
    if (kind != ScalarKind::null && values.size() < most && !path.empty())
      values.emplace_back(path, value);
  }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!simdjson::validate_utf8(text.data(), text.size())) return 0;
  EventScanner scanner;
  Collect sink;
  const bool ours = scanner.scan(text, sink);
  simdjson::dom::parser parser(1 << 20);
  simdjson::dom::element element;
  const auto error = parser.parse(text.data(), text.size()).get(element);
  const bool theirs = error == simdjson::SUCCESS && element.is_object();
  if (theirs && !ours) {
    // Only depth may differ: ours is 64.
    std::size_t depth = 0;
    for (const char c : text) depth += c == '{' || c == '[';
    if (depth <= EventScanner::max_depth) std::abort();
  }
  if (ours && !theirs && error != simdjson::STRING_ERROR && error != simdjson::NUMBER_ERROR &&
      error != simdjson::CAPACITY)
    std::abort();
  if (!ours) return 0;
  BlockBuilder builder({"a", "event_type"}, 1);
  const EventRef ref{text, {5}, 0, 1};
  const auto block = builder.build(1, &ref, 1);
  BlockReader reader;
  std::vector<EventRef> back;
  if (!reader.read(block.body, back) || back.size() != 1 || back[0].json != text) std::abort();
  for (const auto& [path, value] : sink.values) {
    auto expr = parse_query(condition_text(path, ":", value));
    if (!expr) continue;                  // over a limit of the language, or a zero octet
    if ((*expr)->path != path) continue;  // a short name of the language ("id") means another field
    const Matcher m(std::move(*expr));
    if (!m.on_event(text, scanner) || m.filter_leaves(block.filter) == ~std::uint64_t{1})
      std::abort();
  }
  return 0;
}
