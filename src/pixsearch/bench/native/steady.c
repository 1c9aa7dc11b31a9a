/* Loaded before all else into an emulated arm64 program, so that the same work takes the same instructions on a busy machine.
 *
 * The clock stands still: every few seconds ONNX Runtime sums up the runs before, within one of them. And the program is always on
 * the first processor: its matrix kernels ask for the processor's number, tile by tile, to learn what kind of core that is. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    (void)clock;
    *time = (struct timespec){.tv_sec = 1};
    return 0;
}

long syscall(long number, ...) {
    va_list given;
    va_start(given, number);
    long words[6];
    for (int i = 0; i < 6; i++) words[i] = va_arg(given, long);
    va_end(given);
    if (number == SYS_getcpu) {
        if (words[0]) *(unsigned *)words[0] = 0;
        if (words[1]) *(unsigned *)words[1] = 0;
        return 0;
    }
    register long x0 __asm__("x0") = words[0], x1 __asm__("x1") = words[1], x2 __asm__("x2") = words[2];
    register long x3 __asm__("x3") = words[3], x4 __asm__("x4") = words[4], x5 __asm__("x5") = words[5];
    register long x8 __asm__("x8") = number;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8) : "memory", "cc");
    if ((unsigned long)x0 < -4095ul) return x0;
    errno = (int)-x0;
    return -1;
}
