/* What Android's C library and liblog have and glibc has not, as far as ONNX Runtime for Android and the runner ask for it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <unistd.h>

char __sF[3][152]; /* stdin, stdout and stderr of old programs */

static FILE *stream(FILE *file) {
    if ((char *)file == __sF[0]) return stdin;
    if ((char *)file == __sF[1]) return stdout;
    return (char *)file == __sF[2] ? stderr : file;
}

int *__errno(void) { return __errno_location(); }
int __FD_ISSET_chk(int fd, const fd_set *set, size_t size) { (void)size; return FD_ISSET(fd, set); }
void __FD_SET_chk(int fd, fd_set *set, size_t size) { (void)size; FD_SET(fd, set); }
char *__strchr_chk(const char *text, int wanted, size_t size) { (void)size; return strchr(text, wanted); }
size_t __strlen_chk(const char *text, size_t size) { (void)size; return strlen(text); }
char *__gnu_strerror_r(int code, char *text, size_t size) { return strerror_r(code, text, size); }
void __gcov_dump(void) {}
void __gcov_flush(void) {}

/* The library is patched to call this by another name: glibc's strerror_r gives text, bionic's a number. */
int bionic_strerror_r(int code, char *text, size_t size) __asm__("strerror_b");
extern int __xpg_strerror_r(int, char *, size_t);
int bionic_strerror_r(int code, char *text, size_t size) { return __xpg_strerror_r(code, text, size); }

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fprintf(FILE *file, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int written = vfprintf(stream(file), format, values);
    va_end(values);
    return written;
}
int fputs(const char *text, FILE *file) { return NEXT(fputs)(text, stream(file)); }
int fputc(int letter, FILE *file) { return NEXT(fputc)(letter, stream(file)); }
int fflush(FILE *file) { return NEXT(fflush)(stream(file)); }
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) { return NEXT(fwrite)(data, size, count, stream(file)); }

/* The numbers of the questions differ between the two libraries. */
long sysconf(int question) {
    static const struct { int bionic, glibc; } same[] = {
        {39, _SC_PAGESIZE}, {40, _SC_PAGESIZE}, {96, _SC_NPROCESSORS_CONF}, {97, _SC_NPROCESSORS_ONLN},
        {98, _SC_PHYS_PAGES}, {99, _SC_AVPHYS_PAGES},
    };
    if (question == 72 || question == 73) return 1024;
    for (size_t place = 0; place < sizeof same / sizeof *same; place++)
        if (same[place].bionic == question) return NEXT(sysconf)(same[place].glibc);
    return -1;
}

int __system_property_get(const char *name, char *value) {
    strcpy(value, strcmp(name, "ro.build.version.sdk") ? "" : "34");
    return (int)strlen(value);
}

void android_set_abort_message(const char *text) { fprintf(stderr, "%s\n", text); }

int __android_log_vprint(int level, const char *tag, const char *format, va_list values) {
    (void)level;
    fprintf(stderr, "[%s] ", tag);
    vfprintf(stderr, format, values);
    fprintf(stderr, "\n");
    return 1;
}
int __android_log_print(int level, const char *tag, const char *format, ...) {
    va_list values;
    va_start(values, format);
    __android_log_vprint(level, tag, format, values);
    va_end(values);
    return 1;
}
int __android_log_write(int level, const char *tag, const char *text) { return __android_log_print(level, tag, "%s", text); }

int ASharedMemory_create(const char *name, size_t size) {
    int file = memfd_create(name ? name : "shared", 0);
    return file >= 0 && ftruncate(file, (off_t)size) == 0 ? file : -1;
}

/* Where a program built for Android begins; glibc is ready by then. */
void __libc_init(void *arguments, void (*unused)(void), int (*begin)(int, char **, char **), const void *structors) {
    long count = *(long *)arguments;
    char **words = (char **)arguments + 1;
    (void)unused, (void)structors;
    exit(begin((int)count, words, words + count + 1));
}

#if defined(__aarch64__)
/* On arm64 bionic's mutex (40 bytes) and attributes (56) are smaller than glibc's, which must not clear what lies behind them. */
int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) {
    int kind = 0;
    memset(mutex, 0, 40);
    if (attributes) pthread_mutexattr_gettype(attributes, &kind);
    ((int *)mutex)[4] = kind;
    return 0;
}
int small_attr_init(pthread_attr_t **attributes) __asm__("pthread_attr_init");
int small_attr_init(pthread_attr_t **attributes) {
    static int (*next)(pthread_attr_t *);
    if (!next) next = dlsym(RTLD_NEXT, "pthread_attr_init");
    memset(attributes, 0, 56);
    return next(*attributes = malloc(sizeof **attributes));
}
int small_attr_stack(pthread_attr_t **attributes, size_t bytes) __asm__("pthread_attr_setstacksize");
int small_attr_stack(pthread_attr_t **attributes, size_t bytes) {
    static int (*next)(pthread_attr_t *, size_t);
    if (!next) next = dlsym(RTLD_NEXT, "pthread_attr_setstacksize");
    return next(*attributes, bytes);
}
int small_create(pthread_t *thread, pthread_attr_t **attributes, void *(*start)(void *), void *given) __asm__("pthread_create");
int small_create(pthread_t *thread, pthread_attr_t **attributes, void *(*start)(void *), void *given) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!next) next = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attributes ? *attributes : NULL, start, given);
}
#endif
