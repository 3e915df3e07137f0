#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules/signature/gate.hpp"

#include <hs.h>
#include <pcre2.h>

#include <algorithm>
#include <cstdlib>

#include "rules/signature/pcre.hpp"
#include "rules/signature/required_literals.hpp"
#include "rules/signature/text.hpp"

namespace ww::sig {

namespace {

/// Anything narrower occurs in most buffers.
constexpr unsigned least_width = 5;
/// A fast pattern that tells this much apart names a rule seldom enough.
constexpr int strong = 13;

bool digit(char c) { return c >= '0' && c <= '9'; }

struct Reading {
  bool alike = false;  ///< both engines are known to read the pattern alike
  /// It asks what stands before the first octet of a match, or whether that is the first of all.
  bool looks_back = false;
};

Reading reading(std::string_view p) {
  constexpr Reading unknown{};
  bool in_class = false, looks_back = false;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const char c = p[i];
    const char next = i + 1 < p.size() ? p[i + 1] : '\0';
    if (c == '\0' || (c & 0x80) != 0) return unknown;
    if (c == '\\') {
      ++i;
      const char after = i + 1 < p.size() ? p[i + 1] : '\0';
      if (digit(next)) {
        // A back reference of one digit; longer ones may be octal.
        if (in_class || next == '0' || digit(after)) return unknown;
      } else if (next == 'x') {
        if (i + 2 >= p.size() || hex_digit(p[i + 1]) < 0 || hex_digit(p[i + 2]) < 0) return unknown;
        i += 2;
      } else if ((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z')) {
        constexpr std::string_view octets = "dDsSwWnrtf", places = "bBA";
        if (octets.find(next) == std::string_view::npos) {
          if (in_class || places.find(next) == std::string_view::npos) return unknown;
          // A word's end at the very end asks only of what follows.
          looks_back |= next != 'b' || i + 1 != p.size();
        }
      }
      continue;
    }
    if (in_class) {
      if (c == '[') {
        if (next == '.' || next == '=') return unknown;
        if (next == ':') {
          const auto close = p.find(":]", i + 2);
          if (close == std::string_view::npos) return unknown;
          i = close + 1;
        }
      }
      in_class = c != ']';
      continue;
    }
    if (c == '[') {
      in_class = true;
      if (next == '^') ++i;
      if (i + 1 < p.size() && p[i + 1] == ']') ++i;
    } else if (c == '^') {
      looks_back = true;
    } else if (c == '{') {
      if (next == ',') return unknown;
    } else if (c == '(') {
      if (next == '*') return unknown;
      if (next == '?') {
        const char kind = i + 2 < p.size() ? p[i + 2] : '\0';
        constexpr std::string_view known = ":=!P<";
        if (known.find(kind) == std::string_view::npos) return unknown;
        const char then = i + 3 < p.size() ? p[i + 3] : '\0';
        looks_back |= kind == '<' && (then == '=' || then == '!');
        if (kind == 'P' && then != '<' && then != '=') return unknown;
      }
    }
  }
  return {!in_class, looks_back};
}

}  // namespace

std::optional<GateExpression> gate_expression(const PcreOp& op) {
  const auto options = op.code->options();
  if (op.negated || !usual_syntax(options)) return std::nullopt;
  GateExpression out;
  out.pattern = op.code->pattern();
  if (op.relative && out.pattern.starts_with('^')) out.pattern.erase(0, 1);
  const auto read = reading(out.pattern);
  // The subject of a relative expression starts anywhere in the buffer.
  if (!read.alike || (op.relative && read.looks_back)) return std::nullopt;
  // Without its anchors and with either end of line an expression matches no less.
  out.flags = HS_FLAG_PREFILTER | (options & PCRE2_CASELESS ? HS_FLAG_CASELESS : 0U) |
              (options & PCRE2_MULTILINE ? HS_FLAG_MULTILINE : 0U) |
              (options & PCRE2_DOTALL ? HS_FLAG_DOTALL : 0U);
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_expression_info(out.pattern.c_str(), out.flags, &info, &error) != HS_SUCCESS) {
    hs_free_compile_error(error);
    return std::nullopt;
  }
  const auto narrowest = info->min_width, widest = info->max_width;
  std::free(info);
  if (narrowest < least_width) return std::nullopt;
  if (widest <= Gates::most_overlap && !read.looks_back) out.longest = widest;
  return out;
}

bool deserves_gate(const Rule& rule, const Stage& stage) {
  return stage.transforms.empty() && stage.absent == Stage::Absent::no &&
         (rule.fast_stage < 0 || strength(rule.fast_pattern) < strong);
}

void Gates::bind(std::span<const Gate> gates, std::span<const Scanner> scanners,
                 hs_scratch* scratch, MatchProfile* profile) {
  gates_ = gates;
  scanners_ = scanners;
  hs_ = scratch;
  profile_ = profile;
  answers_.clear();
  stream_ = nullptr;
}

bool Gates::open(std::int32_t number, Bytes data) {
  if (number < 0 || data.size() < least_octets) return true;
  const auto& gate = gates_[static_cast<std::size_t>(number)];
  if (gate.kind == Gate::Kind::alone) {
    const ScanTimer timer(profile_, gate.scanner, data.size());
    return scanners_[gate.scanner].occurs(data, hs_);
  }
  const auto& open = answer(gate, data).open;
  return std::find(open.begin(), open.end(), gate.number) != open.end();
}

const Gates::Answer& Gates::answer(const Gate& gate, Bytes data) {
  for (const auto& a : answers_)
    if (a.kind == gate.kind && a.data.data() == data.data() && a.data.size() == data.size())
      return a;
  auto& a = answers_.emplace_back(Answer{data, gate.kind, {}});
  if (gate.kind == Gate::Kind::piecewise && stream_ != nullptr &&
      data.data() == chunk_->data.data() && data.size() == chunk_->data.size())
    scan_piece(gate.scanner, a);
  else
    scan(gate.scanner, data, a.open);
  return a;
}

void Gates::scan(std::uint32_t scanner, Bytes data, std::vector<std::uint32_t>& open) {
  const ScanTimer timer(profile_, scanner, data.size());
  scanners_[scanner].scan(
      data, hs_,
      [](void* list, std::uint32_t n) {
        static_cast<std::vector<std::uint32_t>*>(list)->push_back(n);
      },
      &open);
}

/// A stream is shown again with each chunk, up to some dozens of kibioctets of it. What was in the
/// part seen before is remembered; what may have ended after it begins at most a longest match, and
/// one octet that it may look at, before its end.
void Gates::scan_piece(std::uint32_t scanner, Answer& answer) {
  auto& kept = stream_->stream_gates[index(chunk_->dir)];
  if (!kept) kept = std::make_unique<FlowData::StreamGates>();
  auto& state = *kept;
  const auto begin = chunk_->offset, end = begin + chunk_->data.size();
  auto from = begin;
  if (state.generation == generation_ && state.from <= begin && state.to >= begin &&
      state.to == begin + chunk_->fresh_from) {
    constexpr auto overlap = most_overlap + 1;
    if (state.to > begin + overlap) from = state.to - overlap;
    std::erase_if(state.open, [&](const auto& x) { return x.until <= begin; });
  } else {
    state.open.clear();
  }
  state.generation = generation_;
  state.from = begin;
  state.to = end;
  scan(scanner, answer.data.subspan(static_cast<std::size_t>(from - begin)), answer.open);
  for (const auto n : answer.open) {
    const auto at = std::find_if(state.open.begin(), state.open.end(),
                                 [&](const auto& x) { return x.number == n; });
    if (at != state.open.end())
      at->until = end;
    else
      state.open.push_back({n, end});
  }
  answer.open.clear();
  for (const auto& x : state.open) answer.open.push_back(x.number);
}

}  // namespace ww::sig
