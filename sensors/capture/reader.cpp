#include "sensors/capture/reader.hpp"

#include <algorithm>
#include <limits>

#include "sensors/decode/decoder.hpp"

namespace ww::capture {
namespace {

// pcap, as read in little-endian order
constexpr std::uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d;
constexpr std::uint32_t magic_modified =
    0xa1b2cd34;  // Alexey Kuznetzov's: 8 more octets per record
constexpr std::size_t pcap_header = 24;

// pcapng
constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
namespace block {
constexpr std::uint32_t section = 0x0a0d0d0a, interface = 1, old_packet = 2, simple_packet = 3,
                        enhanced_packet = 6;
}
constexpr std::size_t enhanced_header = 28;
constexpr std::uint16_t option_end = 0, option_tsresol = 9, option_tsoffset = 14;

std::size_t padded(std::size_t n) { return (n + 3) & ~std::size_t{3}; }

std::int64_t to_us(std::uint64_t ticks, std::uint64_t per_second) {
  const auto seconds = ticks / per_second;
  const auto rest = ticks % per_second;
  const auto us =
      static_cast<std::uint64_t>(static_cast<unsigned __int128>(rest) * 1'000'000 / per_second);
  constexpr std::uint64_t most =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 4'000'000;
  return static_cast<std::int64_t>(std::min(seconds, most) * 1'000'000 + us);
}

}  // namespace

int datalink_of_linktype(std::uint32_t linktype) {
  const auto type = static_cast<int>(linktype & 0x03ffffff);  // above: frame check sequence length
  return type == 101 ? 12 : type;
}

Problem Reader::damaged(const std::string& what) const {
  return {what + " (after packet " + std::to_string(packets_) + ", offset " +
              std::to_string(input_.offset()) + ")",
          input_.name(), "packets before are used; capture or copy the file again"};
}

Result<void, Problem> Reader::unsupported_link(Interface& i) {
  i.supported = false;
  i.reported = true;
  return fail(Problem{"link type " + std::to_string(i.datalink) + " is not supported",
                      input_.name(),
                      "capture on an Ethernet, Linux cooked, PPP, loopback or raw IP link"});
}

Result<void, Problem> Reader::open() {
  const auto head = input_.peek(pcap_header);
  if (!head) return fail(head.error());
  if (head->empty())
    return fail(Problem{"the file is empty", input_.name(), "name a pcap or pcapng file"});
  const Problem not_capture{
      "not a capture file", input_.name(),
      "give pcap or pcapng, plain or compressed with gzip or zstd; editcap converts others"};
  if (head->size() < 4) return fail(not_capture);
  const auto magic = load_le32(head->data());
  if (magic == block::section) {
    format_ = Format::pcapng;
    return {};
  }
  for (const bool swapped : {false, true}) {
    const auto m = swapped ? __builtin_bswap32(magic) : magic;
    if (m != magic_us && m != magic_ns && m != magic_modified) continue;
    if (head->size() < pcap_header) return fail(damaged("the file ends inside its header"));
    format_ = Format::pcap;
    big_endian_ = swapped;
    nanoseconds_ = m == magic_ns;
    record_header_ = m == magic_modified ? 24 : 16;
    Interface i;
    i.datalink = datalink_of_linktype(u32(head->data() + 20));
    i.supported = decode::datalink_supported(i.datalink);
    interfaces_.push_back(i);
    input_.consume(pcap_header);
    if (!i.supported) return unsupported_link(interfaces_.back());
    return {};
  }
  return fail(not_capture);
}

Result<Read, Problem> Reader::next(CapturedFrame& out) {
  if (done_) return Read::end;
  if (format_ == Format::unknown)
    if (auto r = open(); !r) {
      done_ = true;
      return fail(r.error());
    }
  input_.consume(pending_);
  pending_ = 0;
  auto r = format_ == Format::pcap ? next_pcap(out) : next_pcapng(out);
  if (r && *r == Read::end) done_ = true;
  return r;
}

/// Only a look: what is damaged or unusual is left to next().
bool Reader::following(CapturedFrame& out) {
  if (done_ || interfaces_.empty()) return false;
  ahead_ = std::max(ahead_, input_.offset() + pending_);
  const auto held = input_.held();
  const auto skip = ahead_ - input_.offset();
  if (skip > held.size()) return false;
  const auto record = held.subspan(static_cast<std::size_t>(skip));
  const bool ng = format_ == Format::pcapng;
  const std::size_t header = ng ? enhanced_header : record_header_;
  if (record.size() < header) return false;
  if (ng && u32(record.data()) != block::enhanced_packet) return false;
  const auto captured = u32(record.data() + (ng ? 20 : 8));
  const auto length = ng ? u32(record.data() + 4) : header + captured;
  if (length < header || length > record.size() || captured > length - header) return false;
  const auto id = ng ? u32(record.data() + 8) : 0;
  if (id >= interfaces_.size()) return false;
  ahead_ += length;
  out.octets = record.subspan(header, captured);
  out.datalink = interfaces_[id].datalink;
  return true;
}

Result<Read, Problem> Reader::next_pcap(CapturedFrame& out) {
  auto data = input_.peek(record_header_);
  if (!data) {
    done_ = true;
    return fail(data.error());
  }
  if (data->empty()) return Read::end;
  done_ = true;  // unless all is well
  if (data->size() < record_header_) return fail(damaged("the file ends inside a packet header"));
  const auto seconds = u32(data->data()), fraction = u32(data->data() + 4);
  const auto captured = u32(data->data() + 8), on_wire = u32(data->data() + 12);
  if (captured > max_frame)
    return fail(
        damaged("a packet claims " + std::to_string(captured) + " octets: the file is damaged"));
  if (data->size() < record_header_ + captured) {
    data = input_.peek(record_header_ + captured);
    if (!data) return fail(data.error());
    if (data->size() < record_header_ + captured)
      return fail(damaged("the file ends inside a packet"));
  }
  done_ = false;
  ++packets_;
  out.octets = data->subspan(record_header_, captured);
  out.wire_length = on_wire;
  out.datalink = interfaces_[0].datalink;
  out.time =
      Timestamp{std::int64_t{seconds} * 1'000'000 + (nanoseconds_ ? fraction / 1000 : fraction)};
  pending_ = record_header_ + captured;
  return Read::frame;
}

Result<void, Problem> Reader::section(Bytes b) {
  if (b.size() < 28) return fail(damaged("a section header is too short"));
  const auto order = load_le32(b.data() + 8);
  if (order == byte_order_magic)
    big_endian_ = false;
  else if (__builtin_bswap32(order) == byte_order_magic)
    big_endian_ = true;
  else
    return fail(damaged("a section header has no byte-order magic"));
  if (u16(b.data() + 12) != 1)
    return fail(damaged("pcapng version " + std::to_string(u16(b.data() + 12)) + " is unknown"));
  interfaces_.clear();
  return {};
}

void Reader::interface_options(Interface& i, Bytes o) const {
  while (o.size() >= 4) {
    const auto code = u16(o.data());
    const std::size_t length = u16(o.data() + 2);
    if (code == option_end || padded(length) + 4 > o.size()) return;
    const auto* value = o.data() + 4;
    if (code == option_tsresol && length == 1) {
      const unsigned power = value[0] & 0x7f;
      std::uint64_t ticks = 1;
      const unsigned base = (value[0] & 0x80) != 0 ? 2 : 10;
      const unsigned most = base == 2 ? 63 : 19;
      for (unsigned n = 0; n < std::min(power, most); ++n) ticks *= base;
      i.ticks_per_second = ticks;
    } else if (code == option_tsoffset && length == 8) {
      const std::uint64_t raw = big_endian_ ? load_be64(value) : load_le64(value);
      constexpr std::int64_t most = 100'000'000'000;  // some thousand years: keeps sums in range
      i.offset_seconds = std::clamp(static_cast<std::int64_t>(raw), -most, most);
    }
    o = o.subspan(4 + padded(length));
  }
}

Result<void, Problem> Reader::interface(Bytes body) {
  if (body.size() < 8) return fail(damaged("an interface block is too short"));
  if (interfaces_.size() >= max_interfaces) return fail(damaged("too many interfaces"));
  Interface i;
  i.datalink = datalink_of_linktype(u16(body.data()));
  i.supported = decode::datalink_supported(i.datalink);
  i.snaplen = u32(body.data() + 4);
  interface_options(i, body.subspan(8));
  interfaces_.push_back(i);
  return {};
}

Result<bool, Problem> Reader::frame(CapturedFrame& out, std::uint32_t id, Bytes octets,
                                    std::uint32_t wire_length) {
  done_ = true;  // unless all is well
  if (id >= interfaces_.size())
    return fail(
        damaged("a packet names interface " + std::to_string(id) + ", which is not declared"));
  if (octets.size() > max_frame)
    return fail(damaged("a packet claims " + std::to_string(octets.size()) +
                        " octets: the file is damaged"));
  done_ = false;
  ++packets_;
  auto& i = interfaces_[id];
  if (!i.supported) {
    ++unsupported_;
    if (!i.reported)
      if (auto r = unsupported_link(i); !r) return fail(r.error());
    return false;
  }
  out.octets = octets;
  out.wire_length = wire_length;
  out.datalink = i.datalink;
  return true;
}

Result<Read, Problem> Reader::next_pcapng(CapturedFrame& out) {
  const auto ended = [&](Problem p) {
    done_ = true;
    return fail(std::move(p));
  };
  for (;;) {
    auto data = input_.peek(12);
    if (!data) return ended(data.error());
    if (data->empty()) return Read::end;
    if (data->size() < 12) return ended(damaged("the file ends inside a block header"));
    const auto type =
        load_le32(data->data()) == block::section ? block::section : u32(data->data());
    if (type == block::section) {
      // The byte order of its own length stands in the block.
      big_endian_ = load_be32(data->data() + 8) == byte_order_magic;
    }
    const auto length = u32(data->data() + 4);
    if (length < 12 || length % 4 != 0)
      return ended(
          damaged("a block claims " + std::to_string(length) + " octets: the file is damaged"));
    const bool ours = type == block::section || type == block::interface ||
                      type == block::old_packet || type == block::simple_packet ||
                      type == block::enhanced_packet;
    if (!ours) {
      const auto skipped = input_.skip(length);
      if (!skipped) return ended(skipped.error());
      if (!*skipped) return ended(damaged("the file ends inside a block"));
      continue;
    }
    if (length > max_block)
      return ended(
          damaged("a block claims " + std::to_string(length) + " octets: the file is damaged"));
    data = input_.peek(length);
    if (!data) return ended(data.error());
    if (data->size() < length) return ended(damaged("the file ends inside a block"));
    const auto b = data->first(length);
    if (u32(b.data() + length - 4) != length)
      return ended(damaged("the two lengths of a block differ"));
    const auto body = b.subspan(8, length - 12);
    if (type == block::section || type == block::interface) {
      auto r = type == block::section ? section(b) : interface(body);
      if (!r) return ended(r.error());
      input_.consume(length);
      continue;
    }
    if (interfaces_.empty()) return ended(damaged("a packet comes before any interface"));
    Result<bool, Problem> given = false;
    if (type == block::simple_packet) {
      if (body.size() < 4) return ended(damaged("a packet block is too short"));
      const auto on_wire = u32(body.data());
      std::size_t captured = std::min<std::size_t>(on_wire, body.size() - 4);
      if (interfaces_[0].snaplen != 0)
        captured = std::min<std::size_t>(captured, interfaces_[0].snaplen);
      given = frame(out, 0, body.subspan(4, captured), on_wire);
    } else {
      if (body.size() < 20) return ended(damaged("a packet block is too short"));
      const std::uint32_t id = type == block::old_packet ? u16(body.data()) : u32(body.data());
      const auto ticks = (std::uint64_t{u32(body.data() + 4)} << 32) | u32(body.data() + 8);
      const auto captured = u32(body.data() + 12), on_wire = u32(body.data() + 16);
      if (captured > body.size() - 20) return ended(damaged("a packet is longer than its block"));
      given = frame(out, id, body.subspan(20, captured), on_wire);
      if (given && *given) {
        const auto& i = interfaces_[id];
        last_time_ = Timestamp{to_us(ticks, i.ticks_per_second) + i.offset_seconds * 1'000'000};
      }
    }
    if (!given) {
      if (!done_) input_.consume(length);  // a link type we do not read: the rest is still good
      return fail(given.error());
    }
    if (!*given) {
      input_.consume(length);
      continue;
    }
    out.time = last_time_;  // a simple packet block has no time of its own
    pending_ = length;
    return Read::frame;
  }
}

}  // namespace ww::capture
