#pragma once
/// Capture file formats: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).
///
/// Read by ourselves rather than by libpcap because libpcap refuses pcapng files whose interfaces
/// differ in link type, does not say where a file is damaged, and copies every packet once more.
#include <cstdint>
#include <memory>
#include <vector>

#include "sensors/capture/input.hpp"
#include "sensors/capture/source.hpp"

namespace ww::capture {

/// Frames of one capture. Errors carry the file, the packet number and the offset in the
/// (decompressed) file.
class Reader {
 public:
  explicit Reader(Input input) : input_(std::move(input)) {}

  /// Fills octets, wire_length, datalink and time. Problems are reported once: a damaged file ends
  /// there; an interface of an unsupported link type is named and its frames are left out.
  [[nodiscard]] Result<Read, Problem> next(CapturedFrame& out);
  /// PacketSource::following().
  [[nodiscard]] bool following(CapturedFrame& out);
  [[nodiscard]] std::uint64_t packets() const { return packets_; }          ///< frames met so far
  [[nodiscard]] std::uint64_t unsupported() const { return unsupported_; }  ///< of them, left out

  static constexpr std::uint32_t max_frame = 262144;  ///< libpcap's own bound
  static constexpr std::uint32_t max_block =
      16 << 20;  ///< larger pcapng blocks are skipped or refused
  static constexpr std::size_t max_interfaces = 4096;  ///< of one pcapng section

 private:
  enum class Format : std::uint8_t { unknown, pcap, pcapng };
  struct Interface {
    int datalink = 1;
    bool supported = true;
    bool reported = false;
    std::uint32_t snaplen = 0;
    std::uint64_t ticks_per_second = 1'000'000;
    std::int64_t offset_seconds = 0;
  };

  Result<void, Problem> open();
  Result<Read, Problem> next_pcap(CapturedFrame& out);
  Result<Read, Problem> next_pcapng(CapturedFrame& out);
  Result<void, Problem> section(Bytes block);
  Result<void, Problem> interface(Bytes body);
  void interface_options(Interface& i, Bytes options) const;
  /// A frame of interface `id`; nothing when that interface is left out.
  Result<bool, Problem> frame(CapturedFrame& out, std::uint32_t id, Bytes octets,
                              std::uint32_t wire_length);
  Result<void, Problem> unsupported_link(Interface& i);
  [[nodiscard]] Problem damaged(const std::string& what) const;
  [[nodiscard]] std::uint16_t u16(const std::uint8_t* p) const {
    return big_endian_ ? load_be16(p) : load_le16(p);
  }
  [[nodiscard]] std::uint32_t u32(const std::uint8_t* p) const {
    return big_endian_ ? load_be32(p) : load_le32(p);
  }

  Input input_;
  Format format_ = Format::unknown;
  bool big_endian_ = false;
  bool nanoseconds_ = false;
  bool done_ = false;
  std::size_t record_header_ = 16;
  std::size_t pending_ = 0;  ///< octets of the frame delivered last, to go past before the next
  std::uint64_t ahead_ = 0;  ///< offset of the record that following() gives next
  std::uint64_t packets_ = 0, unsupported_ = 0;
  Timestamp last_time_;
  std::vector<Interface> interfaces_;
};

/// The DLT_ value that a file's LINKTYPE_ stands for (they differ for raw IP only, among ours).
[[nodiscard]] int datalink_of_linktype(std::uint32_t linktype);

}  // namespace ww::capture
