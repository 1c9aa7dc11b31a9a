/* The part of Android's C library (bionic, 64-bit) that the runner uses, declared here so that no NDK is needed to build it for Android.
 *
 * Functions have bionic's public signatures; numbers and layouts are those of its headers for LP64, of which the kernel gives most.
 * With STUBS defined it defines every name instead: a library to link against, in whose place a phone has its own. */
#ifndef PIXSEARCH_BIONIC_H
#define PIXSEARCH_BIONIC_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef STUBS
#define FUNCTION(result, name, ...) void name(void) {}
#define VARIABLE(type, name) type name;
#else
#define FUNCTION(result, name, ...) extern result name(__VA_ARGS__);
#define VARIABLE(type, name) extern type name;
#endif

typedef struct FILE FILE;
typedef struct DIR DIR;
typedef long ssize_t, time_t;
struct dirent {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[256];
};
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
struct rusage {
    long times[4], ru_maxrss, rest[13];
};
typedef struct {
    unsigned long bits[16];
} cpu_set_t;
struct structors {
    void *arrays[3]; /* before, first, last; null where there are none */
    size_t counts[3];
};

enum { RTLD_NOW = 2, RTLD_GLOBAL = 0x100, CLOCK_MONOTONIC = 1, RUSAGE_SELF = 0, CPU_SETSIZE = 1024 };
#if defined(__aarch64__)
enum { SYS_prctl = 167 };
#elif defined(__x86_64__)
enum { SYS_prctl = 157 };
#endif
#define CPU_ZERO(set) memset(set, 0, sizeof(cpu_set_t))
#define CPU_SET(cpu, set) ((set)->bits[(cpu) / 64] |= 1ul << (cpu) % 64)

VARIABLE(FILE *, stdin)
VARIABLE(FILE *, stdout)
VARIABLE(FILE *, stderr)
FUNCTION(int, printf, const char *, ...)
FUNCTION(int, fprintf, FILE *, const char *, ...)
FUNCTION(int, snprintf, char *, size_t, const char *, ...)
FUNCTION(int, sscanf, const char *, const char *, ...)
FUNCTION(int, fscanf, FILE *, const char *, ...)
FUNCTION(int, putchar, int)
FUNCTION(char *, fgets, char *, int, FILE *)
FUNCTION(FILE *, fopen, const char *, const char *)
FUNCTION(int, fclose, FILE *)
FUNCTION(size_t, fread, void *, size_t, size_t, FILE *)
FUNCTION(size_t, fwrite, const void *, size_t, size_t, FILE *)
FUNCTION(int, fflush, FILE *)
FUNCTION(void *, malloc, size_t)
FUNCTION(void, free, void *)
FUNCTION(void *, memset, void *, int, size_t)
FUNCTION(void *, memcpy, void *, const void *, size_t)
FUNCTION(char *, strchr, const char *, int)
FUNCTION(char *, strstr, const char *, const char *)
FUNCTION(int, strcmp, const char *, const char *)
FUNCTION(int, strncmp, const char *, const char *, size_t)
FUNCTION(size_t, strcspn, const char *, const char *)
FUNCTION(char *, strtok, char *, const char *)
FUNCTION(int, atoi, const char *)
FUNCTION(unsigned long, strtoul, const char *, char **, int)
FUNCTION(long long, strtoll, const char *, char **, int)
FUNCTION(void, qsort, void *, size_t, size_t, int (*)(const void *, const void *))
FUNCTION(DIR *, opendir, const char *)
FUNCTION(struct dirent *, readdir, DIR *)
FUNCTION(int, closedir, DIR *)
FUNCTION(void *, dlopen, const char *, int)
FUNCTION(void *, dlsym, void *, const char *)
FUNCTION(char *, dlerror, void)
FUNCTION(int, sched_setaffinity, int, size_t, const cpu_set_t *)
FUNCTION(int, clock_gettime, int, struct timespec *)
FUNCTION(int, getrusage, int, struct rusage *)
FUNCTION(long, syscall, long, ...)
FUNCTION(__attribute__((noreturn)) void, _exit, int)
FUNCTION(void, __libc_init, void *, void (*)(void), int (*)(int, char **, char **), const struct structors *)

#endif
