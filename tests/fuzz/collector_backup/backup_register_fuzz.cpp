/// The backup register: YAML of the file, JSON of the API, and schedules; what is taken must be
/// written and read again.
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "collector/backup/register.hpp"
#include "collector/backup/schedule.hpp"

namespace {

using namespace ww;
using namespace ww::collector;

template <class Spec, class Read>
void again(const Spec& spec, Read read) {
  std::string text;
  JsonWriter w(text);
  write_json(w, spec);
  boost::system::error_code ec;
  const auto v = boost::json::parse(text, ec);
  if (ec || !read(v)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    if (const auto s = parse_schedule(text)) {
      const auto same = parse_schedule(schedule_text(*s));
      if (!same || same->every != s->every || same->minute != s->minute || same->days != s->days)
        std::abort();
      (void)last_due(*s, {1'790'000'000'000'000});
      (void)next_due(*s, {1'790'000'000'000'000});
    }
  } else if (data[0] % 3 == 1) {
    boost::system::error_code ec;
    boost::json::parse_options options;
    options.max_depth = 16;
    const auto v = boost::json::parse(text, ec, {}, options);
    if (ec) return 0;
    if (const auto a = asset_from_json(v)) again(*a, asset_from_json);
    if (const auto s = service_from_json(v)) again(*s, service_from_json);
  } else if (const auto s = Settings::from_yaml(text, "register.yaml")) {
    if (const auto r = read_register(*s))
      for (const auto& [key, a] : r->assets) again(a, asset_from_json);
  }
  return 0;
}
