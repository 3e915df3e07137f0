#pragma once
/// BPF filters (pcap-filter(7)) compiled once per link type.
#include <memory>
#include <string>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

namespace ww::capture {

class BpfFilter {
 public:
  /// @param expression  "" lets everything pass
  [[nodiscard]] static Result<BpfFilter, Problem> compile(const std::string& expression,
                                                          int datalink);
  BpfFilter();
  BpfFilter(BpfFilter&&) noexcept;
  BpfFilter& operator=(BpfFilter&&) noexcept;
  ~BpfFilter();
  [[nodiscard]] bool passes(Bytes octets, std::uint32_t wire_length) const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

}  // namespace ww::capture
