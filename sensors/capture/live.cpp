#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "sensors/capture/source.hpp"
#include "sensors/decode/decoder.hpp"

namespace ww::capture {
namespace {

struct Close {
  void operator()(pcap_t* p) const { pcap_close(p); }
};
using Handle = std::unique_ptr<pcap_t, Close>;
using Clock = std::chrono::steady_clock;

Problem problem(const std::string& interface, const std::string& what, int rc) {
  const char* remedy = "check the interface's name and state (ip link)";
  if (rc == PCAP_ERROR_PERM_DENIED || rc == PCAP_ERROR_PROMISC_PERM_DENIED)
    remedy = "run with CAP_NET_RAW, for example as the packaged service does";
  if (rc == PCAP_ERROR_IFACE_NOT_UP) remedy = "bring the interface up: ip link set dev NAME up";
  return {what, "interface " + interface, remedy};
}

/// True also when it cannot be asked ("any").
bool interface_up(const std::string& name) {
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) return true;
  std::memcpy(request.ifr_name, name.data(), name.size());
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const bool known = ::ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  ::close(fd);
  return !known || ((request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0);
}

Result<Handle, Problem> activate(const LiveOptions& o) {
  char text[PCAP_ERRBUF_SIZE] = "";
  Handle h(pcap_create(o.interface.c_str(), text));
  if (!h) return fail(problem(o.interface, text, 0));
  pcap_set_snaplen(h.get(), o.snaplen_octets);
  pcap_set_promisc(h.get(), o.promiscuous ? 1 : 0);
  pcap_set_buffer_size(h.get(), o.ring_octets);
  pcap_set_timeout(h.get(), o.block_timeout_ms);
  const int rc = pcap_activate(h.get());
  if (rc < 0) {
    std::string what = pcap_statustostr(rc);
    if (const std::string more = pcap_geterr(h.get()); !more.empty() && more != what)
      what += ": " + more;
    return fail(problem(o.interface, "cannot capture: " + what, rc));
  }
  if (!decode::datalink_supported(pcap_datalink(h.get())))
    return fail(problem(o.interface,
                        "link type " + std::to_string(pcap_datalink(h.get())) + " is not supported",
                        0));
  if (!o.filter.empty()) {
    bpf_program program{};
    if (pcap_compile(h.get(), &program, o.filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
      return fail(Problem{std::string("the filter is not valid: ") + pcap_geterr(h.get()),
                          "interface " + o.interface + ", filter \"" + o.filter + "\"",
                          "see pcap-filter(7)"});
    const int set = pcap_setfilter(h.get(), &program);
    pcap_freecode(&program);
    if (set != 0)
      return fail(
          problem(o.interface, std::string("cannot set the filter: ") + pcap_geterr(h.get()), 0));
  }
  if (pcap_setnonblock(h.get(), 1, text) != 0) return fail(problem(o.interface, text, 0));
  return h;
}

/// Never blocks inside libpcap: with TPACKET_V3 the kernel does not hand over empty blocks, so a
/// quiet interface would keep the caller from its periodic work.
class LiveSource final : public PacketSource {
 public:
  LiveSource(LiveOptions options, Handle handle)
      : options_(std::move(options)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    use(std::move(handle));
  }
  ~LiveSource() override {
    if (wake_ >= 0) ::close(wake_);
  }
  LiveSource(const LiveSource&) = delete;
  LiveSource& operator=(const LiveSource&) = delete;

  Result<Read, Problem> next(CapturedFrame& out) override {
    if (stopped_.load(std::memory_order_relaxed)) return Read::end;
    if (!handle_) return reopen();
    int rc = 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
      pcap_pkthdr* header = nullptr;
      const u_char* octets = nullptr;
      rc = pcap_next_ex(handle_.get(), &header, &octets);
      if (rc == 1) {
        out.octets = Bytes(octets, header->caplen);
        out.wire_length = header->len;
        out.datalink = datalink_;
        out.time = Timestamp{std::int64_t{header->ts.tv_sec} * 1'000'000 + header->ts.tv_usec};
        out.number = 0;
        out.interface_index = options_.interface_index;
        ++counters_.packets;
        counters_.octets += header->caplen;
        return Read::frame;
      }
      if (rc != 0) break;
      if (attempt == 0 && !wait(pcap_get_selectable_fd(handle_.get()), options_.block_timeout_ms))
        break;
    }
    if (rc == 0)
      if (auto down = went_down()) return fail(std::move(*down));
    if (rc == 0 || rc == PCAP_ERROR_BREAK) return idle();
    auto why = problem(options_.interface,
                       std::string("capture failed: ") + pcap_geterr(handle_.get()), rc);
    why.remedy = "capture goes on by itself once the interface is back";
    add_kernel_counts();
    handle_.reset();
    retry_at_ = Clock::now() + retry_every;
    return fail(std::move(why));
  }

  CaptureCounters counters() override {
    auto out = counters_;
    pcap_stat stat{};
    if (handle_ && pcap_stats(handle_.get(), &stat) == 0) add(out, stat);
    return out;
  }
  std::string name() const override { return options_.interface; }
  void stop() override {
    stopped_.store(true, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_, &one, sizeof one);
  }

 private:
  static constexpr auto retry_every = std::chrono::seconds(1);
  bool up_ = true;
  Clock::time_point look_at_ = Clock::now();

  void use(Handle handle) {
    handle_ = std::move(handle);
    datalink_ = pcap_datalink(handle_.get());
  }
  [[nodiscard]] Read idle() const {
    return stopped_.load(std::memory_order_relaxed) ? Read::end : Read::idle;
  }
  /// True when frames may be there; false after the time, or when stop() was called. fd -1: only
  /// wait.
  [[nodiscard]] bool wait(int fd, int timeout_ms) const {
    pollfd fds[2] = {{wake_, POLLIN, 0}, {fd, POLLIN, 0}};
    return ::poll(fds, fd >= 0 ? 2 : 1, timeout_ms) > 0 && (fds[0].revents & POLLIN) == 0;
  }
  /// The kernel tells a reader nothing when the interface goes down or its cable is pulled: no
  /// frames come, as on a quiet one. Said once each time.
  std::optional<Problem> went_down() {
    const auto now = Clock::now();
    if (now < look_at_) return {};
    look_at_ = now + retry_every;
    const bool up = interface_up(options_.interface);
    if (up || !std::exchange(up_, up)) {
      up_ = up;
      return {};
    }
    return Problem{"is down or has no carrier: nothing is captured",
                   "interface " + options_.interface,
                   "look at the cable and ip link; capture goes on by itself"};
  }
  Result<Read, Problem> reopen() {
    if (Clock::now() < retry_at_) {
      (void)wait(-1, options_.block_timeout_ms);
      return idle();
    }
    retry_at_ = Clock::now() + retry_every;
    if (auto again = activate(options_)) use(std::move(*again));  // why it failed was said once
    return idle();
  }
  static void add(CaptureCounters& c, const pcap_stat& s) {
    c.kernel_packets += s.ps_recv;
    c.kernel_drops += s.ps_drop;
    c.interface_drops += s.ps_ifdrop;
  }
  void add_kernel_counts() {
    pcap_stat stat{};
    if (pcap_stats(handle_.get(), &stat) == 0) add(counters_, stat);
  }

  LiveOptions options_;
  Handle handle_;
  int wake_;
  std::atomic<bool> stopped_{false};
  int datalink_ = 1;
  Clock::time_point retry_at_;
  CaptureCounters counters_;  ///< kernel counts: of handles that are closed
};

}  // namespace

Result<std::unique_ptr<PacketSource>, Problem> open_live(const LiveOptions& options) {
  auto handle = activate(options);
  if (!handle) return fail(handle.error());
  return std::make_unique<LiveSource>(options, std::move(*handle));
}

std::vector<std::string> capture_interfaces() {
  std::vector<std::string> out;
  char text[PCAP_ERRBUF_SIZE] = "";
  pcap_if_t* all = nullptr;
  if (pcap_findalldevs(&all, text) != 0) return out;
  for (const auto* i = all; i != nullptr; i = i->next) out.emplace_back(i->name);
  pcap_freealldevs(all);
  return out;
}

}  // namespace ww::capture
