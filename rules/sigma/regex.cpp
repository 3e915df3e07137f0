#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules/sigma/regex.hpp"

#include <hs.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "rules/sigma/pipeline.hpp"
#include "rules/sigma/text.hpp"

namespace ww::sigma {
namespace {

constexpr std::uint32_t match_limit = 200'000;  // backtracking steps: some milliseconds
constexpr std::uint32_t depth_limit = 2'000;
constexpr std::size_t max_expression = 16 * 1024;
std::atomic<std::uint64_t> limits_hit{0};

struct MatchState {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, nullptr);
  MatchState() {
    pcre2_set_match_limit(context, match_limit);
    pcre2_set_depth_limit(context, depth_limit);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~MatchState() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
};

}  // namespace

struct Regex::Parts {
  pcre2_code* code = nullptr;
  std::once_flag linear_once;
  hs_database_t* linear = nullptr;
  ~Parts() {
    pcre2_code_free(code);
    hs_free_database(linear);
  }
};

Regex::~Regex() = default;
std::uint64_t Regex::limit_hits() { return limits_hit.load(std::memory_order_relaxed); }

Result<std::unique_ptr<const Regex>, std::string> Regex::compile(const std::string& expression,
                                                                 Flags flags) {
  if (expression.size() > max_expression)
    return fail(std::string("the regular expression is too long"));
  std::uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
  if (flags.i) options |= PCRE2_CASELESS;
  if (flags.m) options |= PCRE2_MULTILINE;
  if (flags.s) options |= PCRE2_DOTALL;
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<Regex> out(new Regex);
  out->parts_ = std::make_unique<Parts>();
  out->parts_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()),
                                    expression.size(), options, &error, &offset, nullptr);
  if (out->parts_->code == nullptr) {
    std::array<PCRE2_UCHAR, 200> text{};
    pcre2_get_error_message(error, text.data(), text.size());
    return fail("regular expression: " + std::string(reinterpret_cast<const char*>(text.data())) +
                " at character " + std::to_string(offset));
  }
  (void)pcre2_jit_compile(out->parts_->code,
                          PCRE2_JIT_COMPLETE);  // without it the interpreter answers
  out->expression_ = expression;
  out->flags_ = flags;
  return std::unique_ptr<const Regex>(std::move(out));
}

bool Regex::search(std::string_view text) const {
  thread_local MatchState state;
  const auto rc = pcre2_match(parts_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                              0, PCRE2_NO_UTF_CHECK, state.data, state.context);
  if (rc >= 0) return true;
  if (rc == PCRE2_ERROR_NOMATCH) return false;
  limits_hit.fetch_add(1, std::memory_order_relaxed);
  return search_linear(text);
}

bool Regex::search_linear(std::string_view text) const {
  std::call_once(parts_->linear_once, [&] {
    unsigned flags = HS_FLAG_UTF8 | HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH;
    if (flags_.i) flags |= HS_FLAG_CASELESS;
    if (flags_.m) flags |= HS_FLAG_MULTILINE;
    if (flags_.s) flags |= HS_FLAG_DOTALL;
    hs_compile_error_t* error = nullptr;
    if (expression_.find('\0') != std::string::npos) return;  // hs_compile takes a C string
    if (hs_compile(expression_.c_str(), flags, HS_MODE_BLOCK, nullptr, &parts_->linear, &error) !=
        HS_SUCCESS) {
      hs_free_compile_error(error);
      parts_->linear = nullptr;
    }
  });
  if (parts_->linear == nullptr) return false;
  struct Scratch {
    hs_scratch_t* scratch = nullptr;
    ~Scratch() { hs_free_scratch(scratch); }
  };
  thread_local Scratch holder;
  if (hs_alloc_scratch(parts_->linear, &holder.scratch) != HS_SUCCESS) return false;
  bool found = false;
  const auto on_match = [](unsigned, unsigned long long, unsigned long long, unsigned,
                           void* context) {
    *static_cast<bool*>(context) = true;
    return 1;
  };
  hs_scan(parts_->linear, text.data(), static_cast<unsigned>(text.size()), 0, holder.scratch,
          on_match, &found);
  return found;
}

namespace {

/// What a part of an expression says about the text: either one of these literals occurs, or
/// nothing is known.
using Set = std::vector<std::string>;
constexpr std::size_t max_set = 64;

std::size_t worth(const Set& set) {
  std::size_t least = set.empty() ? 0 : 1000;
  for (const auto& s : set) least = std::min(least, s.size());
  return least;
}

/// Walks the expression and keeps, for every alternative, the best set of literals met. Whatever it
/// does not understand ends the current literal; on anything that changes meaning (extended syntax,
/// comments) it gives up.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  Set run() {
    auto out = alternatives(0);
    return gave_up_ || at_ < text_.size() ? Set{} : out;
  }

 private:
  Set alternatives(int depth) {
    Set all;
    bool known = true;
    for (;;) {
      auto one = sequence(depth);
      if (one.empty() || all.size() + one.size() > max_set) known = false;
      if (known) all.insert(all.end(), one.begin(), one.end());
      if (gave_up_ || at_ >= text_.size() || text_[at_] != '|') break;
      ++at_;
    }
    return known && !gave_up_ ? all : Set{};
  }

  void offer(Set candidate, Set& best) const {
    if (worth(candidate) > worth(best)) best = std::move(candidate);
  }

  Set sequence(int depth) {
    Set best;
    std::string run;
    const auto end_run = [&] {
      if (!run.empty()) offer({folded(run)}, best);
      run.clear();
    };
    if (depth > 50) gave_up_ = true;
    while (!gave_up_ && at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      std::string literal;
      Set group;
      item(depth, literal, group);
      bool optional = false, repeated = false;
      quantifier(optional, repeated);
      if (literal.empty()) {
        end_run();
        if (!optional) offer(std::move(group), best);
        continue;
      }
      if (optional) {
        end_run();
        continue;
      }
      run += literal;
      if (repeated) {
        end_run();
        run = literal;  // the last repetition stands before what follows
      }
    }
    end_run();
    return best;
  }

  /// One item: a literal character, a group's set, or neither.
  void item(int depth, std::string& literal, Set& group) {
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      if (at_ < text_.size() && text_[at_] == '?') {
        ++at_;
        if (at_ < text_.size() && text_[at_] == ':') {
          ++at_;
        } else {
          // Flags such as (?i) are fine, as everything is folded; `x` is not. Lookarounds, names:
          // give up.
          const auto close = text_.find_first_not_of("imsU-", at_);
          if (close == std::string_view::npos || (text_[close] != ')' && text_[close] != ':')) {
            gave_up_ = true;
            return;
          }
          at_ = close + 1;
          if (text_[close] == ')') return;
        }
      } else if (at_ < text_.size() && text_[at_] == '*') {
        gave_up_ = true;
        return;
      }
      group = alternatives(depth + 1);
      if (at_ >= text_.size() || text_[at_] != ')') gave_up_ = true;
      ++at_;
      return;
    }
    if (c == '[') {
      skip_class();
      return;
    }
    if (c == '\\') {
      escape(literal);
      return;
    }
    ++at_;
    if (c == '.' || c == '^' || c == '$') return;
    if (c == '*' || c == '+' || c == '?') {
      gave_up_ = true;
      return;
    }
    literal = c;
    while (at_ < text_.size() && (static_cast<unsigned char>(text_[at_]) & 0xc0U) == 0x80U)
      literal += text_[at_++];
  }

  void escape(std::string& literal) {
    if (at_ + 1 >= text_.size()) {
      gave_up_ = true;
      return;
    }
    const char e = text_[at_ + 1];
    at_ += 2;
    const bool alnum = (e >= '0' && e <= '9') || (e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z');
    if (!alnum) {
      literal = e;
      while (at_ < text_.size() && (static_cast<unsigned char>(e) >= 0x80) &&
             (static_cast<unsigned char>(text_[at_]) & 0xc0U) == 0x80U)
        literal += text_[at_++];
    } else if (e == 't' || e == 'n' || e == 'r') {
      literal = e == 't' ? "\t" : e == 'n' ? "\n" : "\r";
    } else if (std::string_view("dDwWsSbBhHvVRAzZ").find(e) == std::string_view::npos) {
      gave_up_ = true;  // references, hexadecimal, properties, \Q..\E
    }
  }

  void skip_class() {
    ++at_;
    if (at_ < text_.size() && text_[at_] == '^') ++at_;
    if (at_ < text_.size() && text_[at_] == ']') ++at_;
    while (at_ < text_.size() && text_[at_] != ']') {
      if (text_[at_] == '\\') {
        if (at_ + 1 < text_.size() && (text_[at_ + 1] == 'Q' || text_[at_ + 1] == 'E'))
          gave_up_ = true;
        ++at_;
      } else if (text_[at_] == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':') {
        const auto end = text_.find(":]", at_ + 2);
        if (end != std::string_view::npos) at_ = end + 1;
      }
      ++at_;
    }
    if (at_ >= text_.size()) gave_up_ = true;
    ++at_;
  }

  void quantifier(bool& optional, bool& repeated) {
    for (bool any = false;; any = true) {
      if (at_ >= text_.size()) return;
      const char c = text_[at_];
      if (c == '*' || (c == '?' && !any)) {
        optional = true;
        ++at_;
      } else if (c == '+' || c == '?') {
        repeated = true;
        ++at_;
      } else if (c == '{') {
        const auto close = text_.find('}', at_);
        const auto inside = close == std::string_view::npos
                                ? std::string_view()
                                : text_.substr(at_ + 1, close - at_ - 1);
        if (inside.empty() || inside[0] < '0' || inside[0] > '9' ||
            inside.find_first_not_of("0123456789,") != std::string_view::npos) {
          gave_up_ = true;  // perhaps a literal brace: rare, not worth a guess
          return;
        }
        const auto least = inside.substr(0, inside.find(','));
        if (least.find_first_not_of('0') == std::string_view::npos) optional = true;
        repeated = true;
        at_ = close + 1;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool gave_up_ = false;
};

}  // namespace

std::vector<std::string> required_literals(std::string_view expression, std::size_t shortest) {
  auto out = Scanner(expression).run();
  if (worth(out) < shortest) return {};
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::string, std::string> regex_replace(const std::string& expression,
                                               const std::string& replacement,
                                               const std::string& text) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr),
      &pcre2_code_free);
  if (!code)
    return fail("regular expression '" + expression + "' is not valid at character " +
                std::to_string(offset));
  // Python writes \1 and \g<name>, PCRE2 ${1} and ${name}; a dollar is plain there and special
  // here.
  std::string with;
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const char c = replacement[i];
    const char next = i + 1 < replacement.size() ? replacement[i + 1] : '\0';
    if (c == '$') {
      with += "$$";
    } else if (c == '\\' && next >= '0' && next <= '9') {
      with += std::string("${") + next + "}";
      ++i;
    } else if (c == '\\' && next == 'g' && replacement.find('>', i) != std::string::npos &&
               i + 2 < replacement.size() && replacement[i + 2] == '<') {
      const auto end = replacement.find('>', i);
      with += "${" + replacement.substr(i + 3, end - i - 3) + "}";
      i = end;
    } else if (c == '\\' && next == '\\') {
      with += '\\';
      ++i;
    } else {
      with += c;
    }
  }
  std::string out(text.size() * 2 + with.size() * 4 + 64, '\0');
  for (int attempt = 0; attempt < 2; ++attempt) {
    PCRE2_SIZE size = out.size();
    const auto rc = pcre2_substitute(
        code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
        PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH | PCRE2_SUBSTITUTE_UNSET_EMPTY,
        nullptr, nullptr, reinterpret_cast<PCRE2_SPTR>(with.data()), with.size(),
        reinterpret_cast<PCRE2_UCHAR*>(out.data()), &size);
    if (rc >= 0) {
      out.resize(size);
      return out;
    }
    if (rc != PCRE2_ERROR_NOMEMORY || size > (16U << 20U))
      return fail("replacement '" + replacement + "' cannot be made");
    out.resize(size);
  }
  return fail(std::string("the replacement is too long"));
}

}  // namespace ww::sigma
