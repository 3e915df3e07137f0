#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules/signature/pcre.hpp"

#include <pcre2.h>

#include <atomic>

namespace ww::sig {

namespace {
constexpr std::uint32_t max_groups = 64;
std::atomic<std::uint32_t> match_limit{3500}, depth_limit{1500};
constexpr std::uint32_t lifted_match_limit = 1'000'000, lifted_depth_limit = 20'000;

pcre2_match_context* context(bool limited) {
  // One per thread and kind; the limits are read once, after start-up set them.
  struct Holder {
    pcre2_match_context* c;
    explicit Holder(bool l) : c(pcre2_match_context_create(nullptr)) {
      pcre2_set_match_limit(c, l ? match_limit.load() : lifted_match_limit);
      pcre2_set_depth_limit(c, l ? depth_limit.load() : lifted_depth_limit);
    }
    ~Holder() { pcre2_match_context_free(c); }
  };
  thread_local Holder limits(true), lifted(false);
  return limited ? limits.c : lifted.c;
}
}  // namespace

PcreScratch::PcreScratch() : data_(pcre2_match_data_create(max_groups, nullptr)) {}
PcreScratch::~PcreScratch() { pcre2_match_data_free(data_); }

PcreScratch::Group PcreScratch::group(std::size_t n) const {
  if (n >= static_cast<std::size_t>(groups_)) return {};
  const auto* v = pcre2_get_ovector_pointer(data_);
  if (v[2 * n] == PCRE2_UNSET || v[2 * n] > v[2 * n + 1]) return {};
  return {v[2 * n], v[2 * n + 1], true};
}

void CompiledPcre::set_limits(std::uint32_t match, std::uint32_t depth) {
  match_limit = match;
  depth_limit = depth;
}

Result<std::shared_ptr<const CompiledPcre>, std::string> CompiledPcre::compile(
    std::string_view pattern, std::uint32_t options, bool limits) {
  int code = 0;
  PCRE2_SIZE at = 0;
  auto* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 options, &code, &at, nullptr);
  if (!compiled) {
    char text[160];
    pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
    return tl::unexpected<std::string>("regular expression: " + std::string(text) + " at offset " +
                                       std::to_string(at));
  }
  auto out = std::shared_ptr<CompiledPcre>(new CompiledPcre);
  out->code_ = compiled;
  out->pattern_ = pattern;
  out->options_ = options;
  out->required_ = required_literals(pattern, options);
  out->limited_ = limits;
  pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &out->groups_);
  return out;
}

CompiledPcre::~CompiledPcre() { pcre2_code_free(code_); }

bool CompiledPcre::search(Bytes subject, std::size_t from, PcreScratch& scratch) const {
  std::call_once(jit_once_, [this] { pcre2_jit_compile(code_, PCRE2_JIT_COMPLETE); });
  if (from > subject.size()) return false;
  static const std::uint8_t nothing = 0;
  const auto* data = subject.data() ? subject.data() : &nothing;
  auto rc = pcre2_match(code_, data, subject.size(), from, 0, scratch.data_, context(limited_));
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
    rc = pcre2_match(code_, data, subject.size(), from, PCRE2_NO_JIT, scratch.data_,
                     context(limited_));
  scratch.groups_ = rc == 0 ? static_cast<int>(max_groups) : rc;
  if (rc < 0) scratch.groups_ = 0;
  return rc >= 0;
}

}  // namespace ww::sig
