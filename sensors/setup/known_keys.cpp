#include "sensors/setup/known_keys.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include "telemetry/edit_distance.hpp"

namespace ww::sensor {
namespace {

/// What may stand below a path, as documented for suricata.yaml (versions 6 to 8) and in this
/// project's docs. `*` in a path stands for any name or position; a path that is not listed takes
/// anything below it.
struct Section {
  std::string_view path, words;
};

constexpr std::string_view eve_type_words =
    "enabled exception-policy extended custom metadata packethdr payload payload-buffer-size "
    "payload-printable payload-length "
    "packet http-body http-body-printable websocket-payload tagged-packets reject verdict xff http "
    "tls ssh smtp dnp3 flow app-layer reference rule raw alerts flows force-magic force-hash "
    "force-md5 "
    "dump-all-headers version query answer requests responses formats types session-resumption "
    "totals threads deltas null-values zero-valued-counters md5 passwords max-messages-logged "
    "string-log-limit limit ja3 ja4 certificate chain fingerprint client-handshake "
    "subjectaltname client-certificate-authorities mdns rules filename prefix";

constexpr Section sections[] = {
    {"",
     "action-order af-packet af-xdp app-layer asn1-max-frames autofp-scheduler capture "
     "classification-file coredump cuda daemon-directory datasets decoder default-log-dir "
     "default-packet-size default-reputation-path default-rule-path defrag detect detect-engine "
     "detect-thread-ratio device-operations-mode dpdk engine-analysis erf-dag erf-file "
     "exception-policy firewall flow flow-timeouts geoip-database heartbeat host host-mode "
     "host-os-policy include ipfw ippair ips landlock legacy livedev logging lua luajit magic-file "
     "max-pending-packets mpipe mpm-algo multi-detect napatech netmap nflog nfq outputs "
     "packet-alert-max pcap pcap-file pcap-log pcre pfring pid-file plugins profiling "
     "reference-config-file reputation-categories-file reputation-files rule-files rule-reload "
     "run-as runmode security sensor-id sensor-name spm-algo stats stream suricata-version "
     "suricata-update tenants threading threshold-file umask unittests unix-command vars vlan "
     "windivert mappings dump-config conf profiling-packets"},
    {"stream",
     "async-oneside bypass checksum-validation drop-invalid inline liberal-timestamps "
     "max-syn-queued max-synack-queued memcap memcap-policy midstream midstream-policy "
     "prealloc-sessions reassembly"},
    {"stream.reassembly",
     "check-overlap-different-data chunk-prealloc depth max-regions memcap memcap-policy "
     "randomize-chunk-range randomize-chunk-size raw segment-prealloc segments toclient-chunk-size "
     "toserver-chunk-size urgent zero-copy-size"},
    {"stream.reassembly.urgent", "policy oob-limit-policy"},
    {"defrag",
     "default-config hash-size host-config max-frags memcap memcap-policy prealloc timeout "
     "trackers"},
    {"flow",
     "emergency-recovery hash-size managers memcap memcap-policy prealloc rate-tracking recyclers"},
    {"flow.rate-tracking", "bytes interval"},
    {"flow-timeouts", "default icmp tcp udp"},
    {"flow-timeouts.*",
     "bypassed closed emergency-bypassed emergency-closed emergency-established emergency-new "
     "established new"},
    {"vlan", "use-for-tracking"},
    {"vars", "address-groups port-groups"},
    {"decoder", "erspan geneve max-layers recursion-level teredo vntag vxlan"},
    {"decoder.recursion-level", "use-for-tracking"},
    {"decoder.teredo", "enabled ports"},
    {"decoder.geneve", "enabled ports"},
    {"decoder.vxlan", "enabled ports reserved-bits-check"},
    {"detect",
     "cache-folder custom-values delayed-detect engines grouping guess-applayer-tx "
     "inspection-recursion-limit luajit prefilter profile profiling rule-reload sgh-mpm-caching "
     "sgh-mpm-caching-max-age sgh-mpm-caching-path sgh-mpm-context stream-tx-log-limit thresholds "
     "tenant"},
    {"detect.custom-values",
     "toclient-dp-groups toclient-dst-groups toclient-groups toclient-sp-groups "
     "toclient-src-groups toserver-dp-groups toserver-dst-groups toserver-groups "
     "toserver-sp-groups toserver-src-groups"},
    {"detect.grouping",
     "dump-to-disk include-mpm-stats include-rules tcp-priority-ports tcp-whitelist "
     "udp-priority-ports udp-whitelist"},
    {"detect.thresholds", "hash-size memcap"},
    {"detect.prefilter", "default"},
    {"pcre", "match-limit match-limit-recursion"},
    {"pcap-file",
     "bpf-filter buffer-size checksum-checks continuous delay delete-when-done poll-interval "
     "recursive tenant-id"},
    {"host-os-policy",
     "bsd bsd-right hpux10 hpux11 irix linux macos old-linux old-solaris solaris vista windows "
     "windows2k3"},
    {"security", "landlock limit-noproc lua"},
    {"security.landlock", "directories enabled"},
    {"app-layer", "error-policy protocols"},
    {"app-layer.protocols",
     "arp bittorrent-dht dcerpc dhcp dnp3 dns doh2 enip ftp ftp-data ftp_data http http1 http2 ike "
     "ikev2 imap irc jabber krb5 ldap mdns modbus mqtt msn nfs ntp pgsql pop3 quic rdp rfb sip smb "
     "smtp snmp ssh telnet template tftp tls websocket"},
    {"app-layer.protocols.*",
     "byterange content-limit content-inspect-min-size content-inspect-window detection-ports "
     "enabled encryption-handling global-memcap hassh inspected-tracker ja3-fingerprints "
     "ja4-fingerprints libhtp max-credit-burst max-credits max-frame-size max-msg-length "
     "max-payload-size max-read-queue-cnt max-read-queue-size max-read-size max-reassembly-size "
     "max-streams max-stub-size max-table-size max-tx max-write-queue-cnt max-write-queue-size "
     "max-write-size memcap mime no-reassemble raw-extraction request-flood session-tickets "
     "state-memcap stream-depth subscribe-topic-match-limit tcp udp unsubscribe-topic-match-limit "
     "exception-policy max-objects max-points max-tree-connects max-guids max-ssn2vec "
     "max-tree-size max-dcerpc-frag max-session"},
    {"app-layer.protocols.*.tcp", "detection-ports enabled"},
    {"app-layer.protocols.*.udp", "detection-ports enabled"},
    {"app-layer.protocols.*.byterange", "memcap timeout"},
    {"app-layer.protocols.*.detection-ports", "dp sp toclient toserver"},
    {"app-layer.protocols.*.inspected-tracker",
     "content-inspect-min-size content-inspect-window content-limit"},
    {"app-layer.protocols.*.mime",
     "body-md5 decode-base64 decode-mime decode-quoted-printable extract-urls "
     "extract-urls-schemes header-value-depth log-url-scheme"},
    {"app-layer.protocols.*.libhtp", "default-config server-config"},
    {"app-layer.protocols.*.libhtp.default-config",
     "allow-space-uri compression-bomb-limit decompression-time-limit double-decode-path "
     "double-decode-query http-body-inline lzma-enabled lzma-memlimit max-headers max-tx "
     "meta-field-limit path-control-char-handling path-convert-backslash-separators "
     "path-convert-lowercase path-nul-encoded-handling path-nul-raw-handling "
     "path-replacement-char path-separators-compress path-separators-decode path-u-encode "
     "path-unicode-mapping path-utf8-invalid-handling path-url-encoding-invalid-handling "
     "path-backslash-separators path-fallback-encoding path-url-encoding-invalid personality "
     "query-plusspace-decode randomize-inspection-range randomize-inspection-sizes "
     "request-body-inspect-window request-body-limit request-body-minimal-inspect-size "
     "response-body-decompress-layer-limit response-body-inspect-window response-body-limit "
     "response-body-minimal-inspect-size set-path-convert-backslash-slash "
     "set-path-decode-separators swf-decompression uri-include-all"},
    {"outputs.*",
     "alert-debug alert-prelude alert-syslog dns-log drop eve-log fast file file-log file-store "
     "http-body-data http-log lua pcap-info pcap-log stats syslog tcp-data tls-log tls-store "
     "unified2-alert"},
    {"outputs.*.eve-log",
     "append async batch-size buffer-size community-id community-id-seed compression dir "
     "enabled ethernet facility filemode filename filetype identity json level lz4-checksum "
     "lz4-level metadata mode null pcap-file prefix redis rotate-interval sensor-name "
     "suricata-version threaded threads type types xff max-tries fallback extra hash stats "
     "include-metadata record-format"},
    {"outputs.*.eve-log.xff", "deployment enabled header mode"},
    {"outputs.*.eve-log.types.*",
     "alert anomaly arp bittorrent-dht dcerpc dhcp dnp3 dns doh2 drop email enip files fileinfo "
     "flow frame ftp ftp_data ftp-data http http2 ike ikev2 imap krb5 ldap mdns metadata modbus "
     "mqtt "
     "netflow nfs ntp pgsql pop3 quic rdp rfb sip smb smtp snmp ssh stats telnet template tftp tls "
     "websocket"},
    {"outputs.*.eve-log.types.*.*", eve_type_words},
    {"outputs.*.fast",
     "append buffer-size enabled filename filetype rotate-interval threaded filemode"},
    {"outputs.*.stats",
     "append deltas enabled filename filetype global-stats interval null-values rotate-interval "
     "threads totals zero-valued-counters"},
    {"outputs.*.file-store",
     "dir enabled file-names force-filestore force-hash force-magic force-md5 log-dir "
     "max-open-files scripts stream-depth version waldo write-fileinfo write-meta xff "
     "include-pid"},
};

using Words = std::vector<std::string_view>;

const std::map<std::string_view, Words>& table() {
  static const auto made = [] {
    std::map<std::string_view, Words> out;
    for (const auto& s : sections) {
      auto& words = out[s.path];
      for (std::string_view rest = s.words; !rest.empty();) {
        const auto space = rest.find(' ');
        words.push_back(rest.substr(0, space));
        rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
      }
    }
    return out;
  }();
  return made;
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const auto dot = path.find('.');
    out.push_back(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return out;
}

/// The words that may stand below a path; null where anything may.
const Words* allowed(const std::vector<std::string_view>& path) {
  for (const auto& [pattern, words] : table()) {
    const auto parts = split(pattern);
    if (parts.size() == path.size() &&
        std::equal(parts.begin(), parts.end(), path.begin(),
                   [](auto p, auto word) { return p == "*" || p == word; }))
      return &words;
  }
  return nullptr;
}

bool is_position(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A word of the same place that differs by a slip or two; also one with _ for -.
std::string nearest(std::string_view word, const Words& words) {
  std::string plain(word);
  std::replace(plain.begin(), plain.end(), '_', '-');
  std::string_view best;
  // One slip in a short word, two in a longer one, three in a long one.
  std::size_t least = plain.size() < 6 ? 2 : plain.size() < 12 ? 3 : 4;
  for (const auto w : words) {
    const auto d = edit_distance(plain, w);
    if (d < least) least = d, best = w;
  }
  return std::string(best);
}

/// file:line of the first value at or below the path that came from a file.
std::string place(const Settings& given, const std::string& path) {
  auto where = given.where(path);
  if (!where.empty()) return where;
  const auto prefix = path + ".";
  for (const auto& name : given.children(path))
    if (where = place(given, prefix + name); !where.empty()) break;
  return where;
}

}  // namespace

std::string UnknownKey::text() const {
  return where + ": unknown key '" + path + "'" +
         (suggestion.empty() ? "" : "; did you mean '" + suggestion + "'?");
}

std::vector<UnknownKey> unknown_keys(const Settings& given) {
  std::vector<UnknownKey> out;
  // Breadth does not matter, depth is bounded by the table.
  const auto walk = [&](auto& self, const std::string& path,
                        std::vector<std::string_view> parts) -> void {
    const auto* words = allowed(parts);
    const auto prefix = path.empty() ? path : path + ".";
    for (const auto& name : given.children(path)) {
      const auto at = prefix + name;
      auto below = parts;
      below.push_back(name);
      if (words != nullptr && !is_position(name) &&
          std::find(words->begin(), words->end(), name) == words->end()) {
        const auto where = place(given, at);
        out.push_back({at, where.empty() ? "--set" : where, nearest(name, *words)});
        continue;
      }
      self(self, at, below);
    }
  };
  walk(walk, "", {});
  return out;
}

}  // namespace ww::sensor
