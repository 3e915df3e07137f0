#include "sensors/host/sandbox.hpp"

#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace ww::sensor {
namespace {

Problem failed(const std::string& what, const std::string& remedy) {
  return {what + ": " + std::strerror(errno), "privileges", remedy};
}

struct CapFree {
  void operator()(void* p) const { ::cap_free(p); }
};

Result<void, Problem> become(const std::string& name, bool keep) {
  const auto* user = ::getpwnam(name.c_str());
  if (user == nullptr)
    return fail(Problem{"no such user", "privileges.user " + name, "create it or name another"});
  if (keep && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
    return fail(failed("cannot keep capabilities", "start as root"));
  if (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0)
    return fail(failed("cannot become " + name,
                       "start as root, or set privileges.user to the present user"));
  if (user->pw_uid != 0 && ::setuid(0) == 0)
    return fail(Problem{"root could be taken back", "privileges.user " + name,
                        "report this: it must not happen"});
  return {};
}

Result<void, Problem> limit_capabilities(bool net_raw) {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, CapFree> caps(::cap_init());
  if (!caps) return fail(failed("cannot build a capability set", "check libcap"));
  if (net_raw) {
    // Only what the process has may be kept.
    const std::unique_ptr<std::remove_pointer_t<cap_t>, CapFree> now(::cap_get_proc());
    cap_flag_value_t has = CAP_CLEAR;
    if (now && ::cap_get_flag(now.get(), CAP_NET_RAW, CAP_PERMITTED, &has) == 0 && has == CAP_SET) {
      const cap_value_t keep[] = {CAP_NET_RAW};
      ::cap_set_flag(caps.get(), CAP_PERMITTED, 1, keep, CAP_SET);
      ::cap_set_flag(caps.get(), CAP_EFFECTIVE, 1, keep, CAP_SET);
    }
  }
  if (::cap_set_proc(caps.get()) != 0)
    return fail(failed("cannot drop capabilities", "check the unit's settings"));
  return {};
}

Result<void, Problem> limit_system_calls(bool allow_exec) {
  const std::unique_ptr<void, decltype(&::seccomp_release)> filter(::seccomp_init(SCMP_ACT_ALLOW),
                                                                   &::seccomp_release);
  if (!filter)
    return fail(failed("cannot make a system call filter", "set privileges.system-calls: no"));
  // Also for threads that run already.
  (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  // What gives control over the machine, other processes or the kernel; a sensor does none of it.
  const char* refused[] = {"ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "kcmp",
                           "bpf",
                           "perf_event_open",
                           "userfaultfd",
                           "init_module",
                           "finit_module",
                           "delete_module",
                           "kexec_load",
                           "kexec_file_load",
                           "mount",
                           "umount2",
                           "pivot_root",
                           "chroot",
                           "setns",
                           "unshare",
                           "swapon",
                           "swapoff",
                           "reboot",
                           "acct",
                           "settimeofday",
                           "clock_settime",
                           "adjtimex",
                           "clock_adjtime",
                           "sethostname",
                           "setdomainname",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "open_by_handle_at",
                           "name_to_handle_at",
                           "iopl",
                           "ioperm",
                           "personality",
                           "quotactl",
                           "move_mount",
                           "open_tree",
                           "fsopen",
                           "fsmount",
                           "fsconfig",
                           "pidfd_getfd",
                           "mknod",
                           "mknodat"};
  const auto refuse = [&](const char* name) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number != __NR_SCMP_ERROR)
      (void)::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0);
  };
  for (const auto* name : refused) refuse(name);
  if (!allow_exec)
    for (const auto* name : {"execve", "execveat"}) refuse(name);
  if (const int error = ::seccomp_load(filter.get()); error != 0) {
    errno = -error;
    return fail(failed("cannot load the system call filter", "set privileges.system-calls: no"));
  }
  return {};
}

}  // namespace

Result<SandboxReport, Problem> enter_sandbox(const SandboxOptions& o) {
  SandboxReport report;
  if (!o.user.empty() && ::geteuid() == 0) {
    if (auto ok = become(o.user, o.keep_net_raw); !ok) return fail(ok.error());
    report.done.push_back("user " + o.user);
  }
  // Root without capabilities could not read the logs of others: who stays root keeps them.
  if (::geteuid() != 0) {
    if (auto ok = limit_capabilities(o.keep_net_raw); !ok) return fail(ok.error());
    report.done.push_back(o.keep_net_raw ? "no capability but net_raw" : "no capabilities");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail(failed("cannot refuse new privileges", "needs Linux 3.5"));
  report.done.push_back("no new privileges");
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (o.system_calls) {
    if (auto ok = limit_system_calls(o.allow_exec); !ok) return fail(ok.error());
    report.done.push_back("system calls");
  }
  return report;
}

}  // namespace ww::sensor
