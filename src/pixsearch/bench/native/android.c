/* Where the runner begins on Android, in place of the NDK's crtbegin: the kernel's block of arguments goes to bionic, which calls main.
 *
 * Compiled with STUBS defined it is the library to link the runner against (see bionic.h). */
#include "bionic.h"

#ifndef STUBS

#if defined(__aarch64__)
__asm__(".text\n.global _start\n.type _start, %function\n_start:\nmov x29, #0\nmov x30, #0\nmov x0, sp\nb begin\n");
#elif defined(__x86_64__)
__asm__(".text\n.global _start\n.type _start, @function\n_start:\nxor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall begin\n");
#endif

extern int main(int, char **, char **);

__attribute__((used, visibility("hidden"))) void begin(void *arguments) {
    static const struct structors none;
    __libc_init(arguments, NULL, main, &none);
}

#endif
