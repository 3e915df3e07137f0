/* Preloaded into a program under test, which itself knows nothing of it. It asks the kernel and not the library behind it: a
 * sanitizer wants the time before dlsym() can be called.
 *   MOVED_TIME_FILE=FILE   the time of day is moved by as many seconds as the file says (8 octets, native order); the test
 *                          changes them while the program runs. Steady clocks stay as they are, as on a machine whose clock is set.
 *   DIE_BEFORE=WORD:NAME   SIGKILL at the moment when a file of that name is to be put in place (rename) or taken away (remove). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *moved;
static const char *die_word, *die_name;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("MOVED_TIME_FILE");
  const int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    void *at = mmap(NULL, sizeof *moved, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) moved = at;
    close(fd);
  }
  const char *die = getenv("DIE_BEFORE");
  const char *colon = die != NULL ? strchr(die, ':') : NULL;
  if (colon != NULL) {
    die_word = strndup(die, (size_t)(colon - die));
    die_name = strdup(colon + 1);
  }
}

static int64_t by(void) { return moved != NULL ? *moved : 0; }

int clock_gettime(clockid_t id, struct timespec *t) {
  const int done = (int)syscall(SYS_clock_gettime, id, t);
  if (done == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += by();
  return done;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != NULL) *to = now.tv_sec;
  return now.tv_sec;
}

static void perhaps_die(const char *word, const char *path) {
  if (die_word == NULL || strcmp(word, die_word) != 0) return;
  const char *slash = strrchr(path, '/');
  if (strcmp(slash != NULL ? slash + 1 : path, die_name) == 0) kill(getpid(), SIGKILL);
}

int rename(const char *from, const char *to) {
  perhaps_die("rename", to);
  return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int remove(const char *path) {
  perhaps_die("remove", path);
  if (syscall(SYS_unlinkat, AT_FDCWD, path, 0) == 0) return 0;
  return errno == EISDIR ? (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) : -1;
}
