#include <algorithm>

#include "sensors/protocols/quic/quic.hpp"

namespace ww::quic {
namespace {

namespace kind {
constexpr std::uint8_t padding = 0, ping = 1, ack = 2, ack_ecn = 3, crypto = 6, google_crypto = 8,
                       stream = 0x80;
}
constexpr std::size_t max_tags = 128;  ///< of one message: Google's own limit
constexpr std::size_t max_pieces = 512;

std::uint64_t variable(ByteReader& in) {
  const std::uint8_t first = in.u8();
  std::uint64_t v = first & 0x3f;
  for (int more = (1 << (first >> 6)) - 1; more > 0; --more) v = v << 8 | in.u8();
  return v;
}

/// The tags a handshake message may hold; anything else is not such a message.
std::string_view tag_name(std::uint32_t tag) {
  static constexpr std::string_view names[] = {
      "AEAD", "CCRT", "CCS",  "CETV", "CFCW", "CHLO", "COPT", "CSCT", "CTIM", "ICSL",
      "IRTT", "KEXS", "MIDS", "MSPC", "NONC", "NONP", "PAD",  "PDMD", "PUBS", "SCID",
      "SCLS", "SFCW", "SMHL", "SNI",  "SNO",  "STK",  "TCID", "UAID", "VER",  "XLCT"};
  char text[4];
  std::size_t n = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto c = static_cast<char>(tag >> shift);
    if (c == 0 && shift == 0) break;
    text[n++] = c;
  }
  const std::string_view wanted(text, n);
  const auto* at = std::find(std::begin(names), std::end(names), wanted);
  return at == std::end(names) ? std::string_view() : *at;
}

/// A handshake message: its tag, the number of entries, entries with the end of their value,
/// values.
std::optional<Tags> handshake_message(Bytes octets) {
  ByteReader in(octets);
  if (tag_name(in.u32be()).empty()) return {};
  const std::size_t count = in.u16le();
  in.skip(2);
  if (!in.ok() || count > max_tags) return {};
  std::vector<std::pair<std::string_view, std::uint32_t>> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const auto name = tag_name(in.u32be());
    const auto end = in.u32le();
    if (!in.ok() || name.empty() || (!entries.empty() && end < entries.back().second)) return {};
    entries.emplace_back(name, end);
  }
  Tags out;
  std::uint32_t from = 0;
  for (const auto& [name, end] : entries) {
    out.emplace_back(name, in.text(end - from));
    from = end;
  }
  if (!in.ok() || !in.empty()) return {};
  return out;
}

void message(Bytes octets, Frames& out) {
  if (auto tags = handshake_message(octets)) out.messages.push_back(std::move(*tags));
}

void stream_frame(ByteReader& in, std::uint8_t type, Frames& out) {
  const unsigned offset = (type >> 2) & 7U;
  in.skip((type & 3U) + 1U);                // stream id
  in.skip(offset == 0 ? 0U : offset + 1U);  // offset
  const std::size_t length = type & 0x20 ? in.u16be() : in.left();
  const auto data = in.bytes(length);
  if (in.ok()) message(data, out);
}

void ack_frame(ByteReader& in, bool with_counts) {
  variable(in);  // largest acknowledged
  variable(in);  // delay
  auto ranges = variable(in);
  variable(in);  // first range
  for (; ranges > 0 && in.ok(); --ranges) {
    variable(in);
    variable(in);
  }
  if (with_counts)
    for (int i = 0; i < 3; ++i) variable(in);
}

}  // namespace

std::optional<Frames> parse_frames(Bytes payload) {
  Frames out;
  ByteReader in(payload);
  while (!in.empty()) {
    const auto type = in.u8();
    if (type & kind::stream) {
      stream_frame(in, type, out);
    } else if (type == kind::padding) {
      while (!in.empty() && in.peek() == 0) in.skip(1);
    } else if (type == kind::ack || type == kind::ack_ecn) {
      ack_frame(in, type == kind::ack_ecn);
    } else if (type == kind::crypto || type == kind::google_crypto) {
      const auto offset = variable(in);
      const auto length = variable(in);
      if (!in.ok() || length > in.left()) return {};
      const auto data = in.bytes(static_cast<std::size_t>(length));
      if (type == kind::google_crypto)
        message(data, out);
      else if (out.crypto.size() < max_pieces)
        out.crypto.push_back({offset, data});
    } else if (type != kind::ping) {
      break;
    }
    if (!in.ok()) return {};
  }
  return out;
}

bool CryptoStream::add(const CryptoPiece& piece) {
  if (piece.data.empty()) return true;
  if (piece.offset > max_octets || piece.data.size() > max_octets - piece.offset) return false;
  auto from = static_cast<std::size_t>(piece.offset), to = from + piece.data.size();
  if (data_.size() < to) data_.resize(to);
  std::copy(piece.data.begin(), piece.data.end(),
            data_.begin() + static_cast<std::ptrdiff_t>(from));
  auto at = std::lower_bound(ranges_.begin(), ranges_.end(), from,
                             [](const auto& r, std::size_t v) { return r.second < v; });
  auto last = at;
  for (; last != ranges_.end() && last->first <= to; ++last) {
    from = std::min(from, last->first);
    to = std::max(to, last->second);
  }
  at = ranges_.erase(at, last);
  if (ranges_.size() >= max_ranges) return false;
  ranges_.insert(at, {from, to});
  return true;
}

Bytes CryptoStream::prefix() const {
  if (ranges_.empty() || ranges_.front().first != 0) return {};
  return as_bytes(data_).first(ranges_.front().second);
}

void CryptoStream::clear() {
  data_.clear();
  ranges_.clear();
}

}  // namespace ww::quic
