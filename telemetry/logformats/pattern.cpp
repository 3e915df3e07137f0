#define PCRE2_CODE_UNIT_WIDTH 8
#include "telemetry/logformats/pattern.hpp"

#include <pcre2.h>

#include <algorithm>

namespace ww::logs {
namespace {

struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(Pattern::max_groups + 1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  Scratch() {
    pcre2_set_match_limit(context, Pattern::match_limit);
    pcre2_set_heap_limit(context, 256);  // KiB
  }
  ~Scratch() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

Scratch& scratch() {
  thread_local Scratch s;
  return s;
}

// PCRE2 knows what an expression can start with only when it may look for it, so the anchor is left
// out of a second compilation.
std::bitset<256> first_of(std::string_view expression) {
  std::bitset<256> all;
  all.set();
  if (!expression.starts_with("\\A")) return all;
  expression.remove_prefix(2);
  int error = 0;
  PCRE2_SIZE at = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                    PCRE2_DOTALL, &error, &at, nullptr),
      &pcre2_code_free);
  if (!code) return all;
  std::uint32_t kind = 0, octet = 0, empty = 0;
  const std::uint8_t* map = nullptr;
  pcre2_pattern_info(code.get(), PCRE2_INFO_MATCHEMPTY, &empty);
  pcre2_pattern_info(code.get(), PCRE2_INFO_FIRSTCODETYPE, &kind);
  pcre2_pattern_info(code.get(), PCRE2_INFO_FIRSTCODEUNIT, &octet);
  pcre2_pattern_info(code.get(), PCRE2_INFO_FIRSTBITMAP, static_cast<void*>(&map));
  if (empty != 0) return all;
  std::bitset<256> out;
  if (kind == 1) {
    out.set(octet & 0xFF);
    const auto letter = octet & 0xDF;  // the expression may not care for case
    if (letter >= 'A' && letter <= 'Z') out.set(letter).set(letter | 0x20);
    return out;
  }
  if (kind != 0 || map == nullptr) return all;
  for (std::size_t i = 0; i < 256; ++i) out.set(i, (map[i / 8] >> (i % 8) & 1) != 0);
  return out;
}

}  // namespace

Result<Pattern, std::string> Pattern::compile(std::string_view expression) {
  int error = 0;
  PCRE2_SIZE at = 0;
  auto* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                             PCRE2_DOTALL, &error, &at, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR text[160];
    pcre2_get_error_message(error, text, sizeof text);
    return fail("not a valid expression at character " + std::to_string(at + 1) + ": " +
                reinterpret_cast<const char*>(text));
  }
  Pattern p;
  p.code_ =
      std::shared_ptr<void>(code, [](void* c) { pcre2_code_free(static_cast<pcre2_code*>(c)); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  std::uint32_t count = 0, names = 0, entry = 0;
  PCRE2_SPTR table = nullptr;
  pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &count);
  pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &names);
  pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &entry);
  pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, static_cast<void*>(&table));
  p.first_ = first_of(expression);
  if (count > max_groups) return fail(std::string("more than 63 groups"));
  p.groups_ = count;
  for (std::uint32_t i = 0; i < names; ++i, table += entry)
    p.names_.push_back({reinterpret_cast<const char*>(table + 2),
                        static_cast<std::size_t>((table[0] << 8) | table[1])});
  std::sort(p.names_.begin(), p.names_.end(),
            [](const Name& a, const Name& b) { return a.group < b.group; });
  return p;
}

bool Pattern::matches(std::string_view text) const { return match(text, {}); }

bool Pattern::match(std::string_view text, std::span<std::string_view> groups) const {
  if (!text.empty() && !first_.test(static_cast<unsigned char>(text.front()))) return false;
  auto& s = scratch();
  const auto n =
      pcre2_match(static_cast<const pcre2_code*>(code_.get()),
                  reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, s.data, s.context);
  if (n <= 0) return false;
  const auto* v = pcre2_get_ovector_pointer(s.data);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const bool took_part = i < static_cast<std::size_t>(n) && v[2 * i] != PCRE2_UNSET;
    groups[i] = took_part ? text.substr(v[2 * i], v[2 * i + 1] - v[2 * i]) : std::string_view();
  }
  return true;
}

}  // namespace ww::logs
