// Our inflater against zlib in the same run: pages, records and binary data, given in pieces of the
// size of a segment (1,400 octets) and, for comparison, whole. Streams have the size of HTTP
// bodies.
//   inflate_bench [OCTETS OF A BODY]     default 60,000
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "telemetry/deflate/decoder.hpp"

namespace {

using ww::deflate::Format;
using ww::deflate::Status;

std::mt19937 random_source(7);
unsigned random_below(unsigned n) { return static_cast<unsigned>(random_source() % n); }

std::vector<std::string> words() {
  std::vector<std::string> out(3000);
  for (auto& w : out) {
    w.resize(2 + random_below(9));
    for (auto& c : w) c = "eeettaaoinnshrdlucmfwypvbgk"[random_below(27)];
  }
  return out;
}
std::string html(std::size_t size) {
  const auto w = words();
  // As in a language: few words stand nearly everywhere.
  const auto word = [&] { return w[random_below(1 + random_below(1 + random_below(3000)))]; };
  std::string out = "<!DOCTYPE html><html><head><title>Ward list</title></head><body>\n";
  while (out.size() < size) {
    out += "<div class=\"row " + word() + "\"><a href=\"/patients/" +
           std::to_string(random_below(100000)) + "?view=" + word() + "\">" + word() + "</a><p>";
    for (unsigned n = 5 + random_below(40); n != 0; --n) out += word() + (n % 9 == 0 ? ", " : " ");
    out += "</p></div>\n";
  }
  out.resize(size);
  return out;
}
std::string json(std::size_t size) {
  const auto w = words();
  std::string out = "[";
  while (out.size() < size)
    out += "{\"id\":" + std::to_string(random_below(1U << 30)) + ",\"code\":\"" +
           w[random_below(200)] + "\",\"value\":" + std::to_string(random_below(10000)) + "." +
           std::to_string(random_below(100)) + ",\"issued\":\"2026-07-" +
           std::to_string(10 + random_below(20)) + "T" + std::to_string(10 + random_below(14)) +
           ":00:00Z\",\"status\":\"final\",\"note\":\"" + w[random_below(3000)] + " " +
           w[random_below(3000)] + "\"},";
  out.resize(size);
  return out;
}
/// Octets of a narrow spread with repeats here and there: pictures, programs.
std::string binary(std::size_t size) {
  std::string out;
  std::normal_distribution<double> spread(0, 28);
  while (out.size() < size) {
    if (out.size() > 1000 && random_below(12) == 0)
      out +=
          out.substr(random_below(static_cast<unsigned>(out.size() - 200)), 4 + random_below(60));
    else
      for (int i = 0; i < 24; ++i)
        out += static_cast<char>(static_cast<int>(spread(random_source)));
  }
  out.resize(size);
  return out;
}

std::string gzip(const std::string& text) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::exit(2);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out.substr(
      10);  // the raw stream, its trailer behind it: as the sensor gives it to a decoder
}

std::size_t with_zlib(const std::string& packed, std::size_t piece) {
  z_stream z{};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) std::exit(2);
  Bytef space[8192];
  std::size_t made = 0;
  for (std::size_t at = 0; at < packed.size(); at += piece) {
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data())) + at;
    z.avail_in = static_cast<uInt>(std::min(piece, packed.size() - at));
    int rc;
    do {
      z.next_out = space;
      z.avail_out = sizeof space;
      rc = inflate(&z, Z_SYNC_FLUSH);
      made += sizeof space - z.avail_out;
    } while (rc == Z_OK && z.avail_out == 0);
    if (rc == Z_STREAM_END) break;
  }
  inflateEnd(&z);
  return made;
}
std::size_t with_ours(const std::string& packed, std::size_t piece) {
  const auto decoder = ww::deflate::borrow(Format::raw);
  std::size_t made = 0;
  for (std::size_t at = 0; at < packed.size(); at += piece) {
    auto part = ww::as_bytes(std::string_view(packed).substr(at, piece));
    Status status;
    do {
      const auto s = decoder->step(part, 8192);
      part = part.subspan(s.taken);
      made += s.made.size();
      status = s.status;
    } while (status == Status::output);
    if (status != Status::more) break;
  }
  return made;
}

/// Of the processor, so that other work on the machine counts for less.
double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Each body once: of a body that comes again and again the processor learns every branch by heart.
template <class F>
double seconds(const F& f, const std::vector<std::string>& bodies, std::size_t piece,
               std::size_t size) {
  const auto start = processor_seconds();
  for (const auto& packed : bodies)
    if (f(packed, std::min(piece, packed.size())) != size) std::exit(3);
  return processor_seconds() - start;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t size = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 60'000;
  if (size == 0) return 2;
  const auto count = 12'000'000 / size + 1;
  std::printf("%zu bodies of %zu octets\n", count, size);
  std::printf("%-8s %10s %8s  %12s %12s  %6s\n", "data", "packed to", "pieces", "zlib MB/s",
              "ours MB/s", "ratio");
  const std::pair<const char*, std::string (*)(std::size_t)> kinds[] = {
      {"html", html}, {"json", json}, {"binary", binary}};
  for (const auto& [name, make] : kinds) {
    std::vector<std::string> bodies;
    std::size_t packed = 0;
    for (std::size_t i = 0; i < count; ++i) packed += bodies.emplace_back(gzip(make(size))).size();
    for (const std::size_t piece : {std::size_t{1400}, SIZE_MAX}) {
      double zlib = 1e9, ours = 1e9;
      // Interleaved, best of several: other work on the machine touches both alike.
      for (int round = 0; round < 20; ++round) {
        zlib = std::min(zlib, seconds(with_zlib, bodies, piece, size));
        ours = std::min(ours, seconds(with_ours, bodies, piece, size));
      }
      const double megabytes = static_cast<double>(size * count) / 1e6;
      std::printf("%-8s %8.1f %% %8s  %12.0f %12.0f  %6.2f\n", name,
                  100.0 * static_cast<double>(packed) / static_cast<double>(size * count),
                  piece == SIZE_MAX ? "whole" : "1400", megabytes / zlib, megabytes / ours,
                  zlib / ours);
    }
  }
}
