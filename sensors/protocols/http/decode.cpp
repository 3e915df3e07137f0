#include "sensors/protocols/http/decode.hpp"

#include <array>
#include <chrono>

#include "sensors/protocols/http/http.hpp"
#include "sensors/protocols/http/inflater.hpp"

namespace ww::sensor::http {
namespace {

constexpr std::size_t piece = 8 * 1024;           // output space of one step
constexpr std::size_t max_undecided = 64 * 1024;  // input kept to try another coding on
constexpr std::size_t convincing = 8 * 1024;      // output of a guess that shows it to be right
constexpr unsigned max_tries = 4;                 // the announced coding and three more
constexpr std::size_t max_layers = 16;            // also when the configuration says no limit

bool is_gzip(std::string_view s) { return same_text(s, "gzip") || same_text(s, "x-gzip"); }
bool is_deflate(std::string_view s) { return same_text(s, "deflate") || same_text(s, "x-deflate"); }

/// When data is not of the announced coding: what browsers and servers confuse it with.
Coding next_guess(Coding c) {
  switch (c) {
    case Coding::gzip:
      return Coding::deflate;
    case Coding::deflate:
      return Coding::zlib;
    case Coding::zlib:
      return Coding::gzip;
    case Coding::brotli:
    case Coding::lzma:
      break;
  }
  return Coding::deflate;
}

/// One token of the list, already known not to be plain.
void token_coding(std::string_view token, std::vector<Coding>& out, std::uint32_t& lzma,
                  const DecodeLimits& limits, const DecodeReport& report) {
  if (contains_text(token, "gzip")) {
    if (token != "gzip" && token != "x-gzip") report(DecodeEvent::abnormal_coding);
    out.push_back(Coding::gzip);
  } else if (contains_text(token, "deflate")) {
    if (token != "deflate" && token != "x-deflate") report(DecodeEvent::abnormal_coding);
    out.push_back(Coding::deflate);
  } else if (token == "br") {
    out.push_back(Coding::brotli);
  } else if (token == "lzma") {
    if (limits.lzma_layers == 0 || ++lzma <= limits.lzma_layers) out.push_back(Coding::lzma);
  } else if (token != "inflate" && token != "none" && token != "identity") {
    report(DecodeEvent::abnormal_coding);
  }
}

}  // namespace

std::vector<Coding> parse_codings(std::string_view field, const DecodeLimits& limits,
                                  const DecodeReport& report) {
  if (is_gzip(field)) return {Coding::gzip};
  if (is_deflate(field)) return {Coding::deflate};
  if (same_text(field, "br")) return {Coding::brotli};
  if (same_text(field, "lzma")) return {Coding::lzma};
  std::vector<Coding> out;
  std::uint32_t layers = 0, lzma = 0;
  while (!field.empty()) {
    const auto end = field.find_first_of(", ");
    const auto token = field.substr(0, end);
    field.remove_prefix(end == std::string_view::npos ? field.size() : end + 1);
    if (token.empty()) continue;
    if ((limits.layers != 0 && ++layers > limits.layers) || out.size() == max_layers) {
      report(DecodeEvent::too_many_layers);
      break;
    }
    token_coding(token, out, lzma, limits, report);
  }
  return out;
}

/// One layer. Until its first output it keeps its input, so that it can try another coding from the
/// start; when none fits, the data was not coded and is passed through.
struct Layer {
  std::unique_ptr<Inflater> inflater;
  Coding coding{};
  unsigned tries = 1;
  bool pass = false, dead = false, decided = false;
  std::vector<std::uint8_t> kept;     // input, while not decided
  std::vector<std::uint8_t> pending;  // output of a guess
};

struct BodyDecoder::Impl {
  std::vector<Layer> layers;
  DecodeLimits limits;
  std::uint64_t in = 0, out = 0;
  std::chrono::steady_clock::duration spent{};
  bool stopped = false;

  struct Run {
    Impl& self;
    const Output& output;
    const DecodeReport& report;
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  };

  /// Octets that left layer `index - 1`.
  void feed(Run& run, std::size_t index, Bytes data) {
    if (stopped || data.empty()) return;
    if (index == layers.size()) return emit(run, data);
    auto& layer = layers[index];
    if (layer.pass) return feed(run, index + 1, data);
    if (layer.dead) return;
    if (!layer.decided) {
      if (layer.kept.size() + data.size() <= max_undecided || layer.kept.empty())
        layer.kept.insert(layer.kept.end(), data.begin(), data.end());
      else
        decide(run, index);
    }
    inflate(run, index, data);
  }

  void inflate(Run& run, std::size_t index, Bytes data) {
    auto& layer = layers[index];
    std::array<std::uint8_t, piece> space;
    for (;;) {
      const auto s = layer.inflater->step(data, space);
      data = data.subspan(s.taken);
      if (!s.made.empty()) made(run, index, s.made);
      if (stopped) return;
      switch (s.status) {
        case Inflater::Status::output:
          continue;
        case Inflater::Status::more:
          if (data.empty() || (s.taken == 0 && s.made.empty())) return;
          continue;
        case Inflater::Status::end:
          decide(run, index);
          layer.dead = true;  // what follows the stream is not shown by anyone
          return;
        case Inflater::Status::memory:
          run.report(DecodeEvent::lzma_memory);
          layer.dead = true;
          return;
        case Inflater::Status::failed:
          run.report(DecodeEvent::failed);
          if (layer.decided)
            layer.dead = true;
          else
            retry(run, index);
          return;
      }
    }
  }

  void made(Run& run, std::size_t index, Bytes data) {
    auto& layer = layers[index];
    if (!layer.decided && layer.tries > 1) {
      layer.pending.insert(layer.pending.end(), data.begin(), data.end());
      if (layer.pending.size() >= convincing) decide(run, index);
      return;
    }
    decide(run, index);
    feed(run, index + 1, data);
  }

  void decide(Run& run, std::size_t index) {
    auto& layer = layers[index];
    layer.decided = true;
    std::vector<std::uint8_t>().swap(layer.kept);
    const auto pending = std::move(layer.pending);
    layer.pending.clear();
    feed(run, index + 1, pending);
  }

  void retry(Run& run, std::size_t index) {
    auto& layer = layers[index];
    auto kept = std::move(layer.kept);
    layer.kept.clear();
    layer.pending.clear();
    if (layer.tries >= max_tries) return pass_from(run, index, kept);
    ++layer.tries;
    layer.coding = next_guess(layer.coding);
    layer.inflater = Inflater::make(layer.coding, limits);
    layer.kept = kept;
    inflate(run, index, kept);
  }

  void pass_from(Run& run, std::size_t index, Bytes data) {
    for (auto i = index; i < layers.size(); ++i) layers[i].pass = true;
    feed(run, index, data);
  }

  void emit(Run& run, Bytes data) {
    out += data.size();
    run.output(data);
    const auto used = spent + (std::chrono::steady_clock::now() - run.start);
    if ((out > limits.bomb_octets && out / limits.bomb_ratio > in) ||
        used > std::chrono::microseconds(limits.time_microseconds)) {
      stopped = true;
      run.report(DecodeEvent::bomb);
    }
  }
};

BodyDecoder::BodyDecoder(const std::vector<Coding>& codings, const DecodeLimits& limits)
    : impl_(std::make_unique<Impl>()) {
  impl_->limits = limits;
  for (const auto c : codings) {
    auto& layer = impl_->layers.emplace_back();
    layer.coding = c;
    layer.inflater = Inflater::make(c, limits);
    layer.pass = layer.inflater == nullptr;
  }
}
BodyDecoder::~BodyDecoder() = default;
BodyDecoder::BodyDecoder(BodyDecoder&&) noexcept = default;

void BodyDecoder::decode(Bytes data, const Output& output, const DecodeReport& report) {
  if (impl_->stopped) return;
  impl_->in += data.size();
  Impl::Run run{*impl_, output, report};
  impl_->feed(run, 0, data);
  impl_->spent += std::chrono::steady_clock::now() - run.start;
}

void BodyDecoder::finish(const Output& output, const DecodeReport& report) {
  if (impl_->stopped) return;
  Impl::Run run{*impl_, output, report};
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    auto& layer = impl_->layers[i];
    if (layer.pass || layer.dead || layer.decided || layer.kept.empty()) continue;
    if (!layer.pending.empty()) {
      impl_->decide(run, i);  // cut off, but nothing was wrong with it so far
      continue;
    }
    // Too little to tell what it is; a body of a few octets that only claims a coding is shown as
    // it is.
    const auto kept = std::move(layer.kept);
    layer.kept.clear();
    impl_->pass_from(run, i, kept);
    break;
  }
}

}  // namespace ww::sensor::http
