/* Loaded before libc (LD_PRELOAD): writes below one folder that fail, and a clock that jumps.

   BUILDWIT_CHAOS names a file of eight 64-bit numbers, which all processes of a build share, and
   BUILDWIT_CHAOS_BELOW the folder. A call is a write to a regular file there, or a change of its
   names; calls are counted over all processes, and from call `first` up to, not including, `last`
   they fail with `error`. From call `clock_at` on the wall clock is `clock_s` off; the monotonic
   clock goes on, as the kernel's does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CALLS, FIRST, LAST, ERROR, CLOCK_AT, CLOCK_S, HIT, NUMBERS = 8 };

static volatile int64_t *shared;
static const char *below;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("BUILDWIT_CHAOS");
  below = getenv("BUILDWIT_CHAOS_BELOW");
  int handle = file && below ? open(file, O_RDWR | O_CLOEXEC) : -1;
  if (handle < 0) return;
  void *at = mmap(NULL, NUMBERS * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
  if (at != MAP_FAILED) shared = at;
  close(handle);
}

static int fails(void) {
  int64_t call = __atomic_add_fetch(&shared[CALLS], 1, __ATOMIC_SEQ_CST);
  if (call < shared[FIRST] || call >= shared[LAST]) return 0;
  __atomic_add_fetch(&shared[HIT], 1, __ATOMIC_SEQ_CST);
  errno = (int)shared[ERROR];
  return 1;
}

static int is_below(const char *path) { return !strncmp(path, below, strlen(below)); }

static int file_fails(int handle) {
  char link[32], path[PATH_MAX];
  struct stat about;
  int kept = errno;
  if (!shared || fstat(handle, &about) || !S_ISREG(about.st_mode)) return errno = kept, 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t size = readlink(link, path, sizeof path - 1);
  errno = kept;
  if (size < 0) return 0;
  path[size] = 0;
  return is_below(path) && fails();
}

static int name_fails(const char *path) { return shared && is_below(path) && fails(); }

/* `NAME(parameters)` that fails where `guard` says so, and is libc's own otherwise. */
#define GUARDED(type, name, parameters, arguments, guard)                                        \
  type name parameters {                                                                         \
    static type(*own) parameters;                                                                \
    if (!own) own = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                 \
    return (guard) ? (type)-1 : own arguments;                                                   \
  }

typedef const struct iovec *pieces;
GUARDED(ssize_t, write, (int f, const void *b, size_t n), (f, b, n), file_fails(f))
GUARDED(ssize_t, pwrite, (int f, const void *b, size_t n, off_t o), (f, b, n, o), file_fails(f))
GUARDED(ssize_t, pwrite64, (int f, const void *b, size_t n, off64_t o), (f, b, n, o), file_fails(f))
GUARDED(ssize_t, writev, (int f, pieces p, int n), (f, p, n), file_fails(f))
GUARDED(ssize_t, pwritev, (int f, pieces p, int n, off_t o), (f, p, n, o), file_fails(f))
GUARDED(ssize_t, sendfile, (int t, int f, off_t *o, size_t n), (t, f, o, n), file_fails(t))
GUARDED(ssize_t, sendfile64, (int t, int f, off64_t *o, size_t n), (t, f, o, n), file_fails(t))
GUARDED(int, fsync, (int f), (f), file_fails(f))
GUARDED(int, fdatasync, (int f), (f), file_fails(f))
GUARDED(int, ftruncate, (int f, off_t n), (f, n), file_fails(f))
GUARDED(int, ftruncate64, (int f, off64_t n), (f, n), file_fails(f))
GUARDED(int, mkdir, (const char *p, mode_t m), (p, m), name_fails(p))
GUARDED(int, rename, (const char *a, const char *b), (a, b), name_fails(b))
GUARDED(int, link, (const char *a, const char *b), (a, b), name_fails(b))

static int64_t jumped_s(void) {
  return shared && shared[CLOCK_AT] && shared[CALLS] >= shared[CLOCK_AT] ? shared[CLOCK_S] : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*own)(clockid_t, struct timespec *);
  if (!own) own = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int done = own(clock, now);
  if (!done && clock == CLOCK_REALTIME) now->tv_sec += jumped_s();
  return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *kept) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  if (kept) *kept = now.tv_sec;
  return now.tv_sec;
}
