#include "sensors/capture/bpf.hpp"

#include <pcap/pcap.h>

#include "sensors/capture/source.hpp"

namespace ww::capture {

struct BpfFilter::Program {
  bpf_program code{};
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { pcap_freecode(&code); }
};

BpfFilter::BpfFilter() = default;
BpfFilter::BpfFilter(BpfFilter&&) noexcept = default;
BpfFilter& BpfFilter::operator=(BpfFilter&&) noexcept = default;
BpfFilter::~BpfFilter() = default;

Result<BpfFilter, Problem> BpfFilter::compile(const std::string& expression, int datalink) {
  BpfFilter out;
  if (expression.empty()) return out;
  pcap_t* dead = pcap_open_dead(datalink, 262144);
  if (dead == nullptr)
    return fail(Problem{"no memory for a filter", "filter \"" + expression + "\"", ""});
  auto program = std::make_unique<Program>();
  const int rc = pcap_compile(dead, &program->code, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN);
  const std::string why = rc == 0 ? "" : pcap_geterr(dead);
  pcap_close(dead);
  if (rc != 0)
    return fail(Problem{"the filter is not valid: " + why, "filter \"" + expression + "\"",
                        "see pcap-filter(7)"});
  out.program_ = std::move(program);
  return out;
}

bool BpfFilter::passes(Bytes octets, std::uint32_t wire_length) const {
  if (!program_) return true;
  pcap_pkthdr header{};
  header.caplen = static_cast<bpf_u_int32>(octets.size());
  header.len = wire_length;
  return pcap_offline_filter(&program_->code, &header, octets.data()) != 0;
}

Result<void, Problem> check_filter(const std::string& expression) {
  auto r = BpfFilter::compile(expression, DLT_EN10MB);
  if (!r) return fail(r.error());
  return {};
}

}  // namespace ww::capture
