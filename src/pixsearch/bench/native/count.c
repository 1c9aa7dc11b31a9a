/* A plugin of qemu-user (API version 1, qemu 6.0 to 8.1) that counts what an AArch64 program executes between two marks.
 *
 *     qemu-aarch64 -plugin count.so,out=FILE,cache=BYTES ...
 *
 * The program marks a region by two calls of prctl that no kernel knows (see runner.c). At its end FILE is written anew:
 * first a JSON object of totals (instructions by class, bytes loaded and stored, and the bytes that a last-level cache of
 * BYTES would have moved from and to memory), then one line a block of code, most executed instructions first:
 *
 *     EXECUTIONS WORD...          the block's instructions in hexadecimal
 *
 * The cache is 16-way, lines of 64 bytes, least recently used out, written back, cold when the region begins. Only
 * the thread that marks is counted: a library's threads in the background would make the figures depend on the clock. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* qemu-plugin.h, version 1, as far as it is used. */
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t Id;
typedef struct qemu_plugin_tb Tb;
typedef struct qemu_plugin_insn Insn;
typedef uint32_t MemInfo;
extern void qemu_plugin_register_vcpu_tb_trans_cb(Id, void (*)(Id, Tb *));
extern size_t qemu_plugin_tb_n_insns(const Tb *);
extern Insn *qemu_plugin_tb_get_insn(const Tb *, size_t);
extern const void *qemu_plugin_insn_data(const Insn *);
extern void qemu_plugin_register_vcpu_tb_exec_cb(Tb *, void (*)(unsigned, void *), int flags, void *);
extern void qemu_plugin_register_vcpu_mem_cb(Insn *, void (*)(unsigned, MemInfo, uint64_t, void *), int flags, int rw, void *);
extern unsigned qemu_plugin_mem_size_shift(MemInfo);
extern bool qemu_plugin_mem_is_store(MemInfo);
extern void qemu_plugin_register_vcpu_syscall_cb(Id, void (*)(Id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
EXPORT int qemu_plugin_version = 1;

enum { MARK = 0x50495853, BEGIN = 1, PRCTL = 167, WAYS = 16, LINE_BITS = 6, NO_REGISTERS = 0, READ_WRITE = 3 };
enum { DOT, MATRIX, FMLA, FP_VECTOR, INT_VECTOR, LOAD_VECTOR, STORE_VECTOR, LOAD, STORE, BRANCH, FP_SCALAR, INTEGER, CLASSES };
static const char *const NAMES[] = {"dot", "matrix", "fmla", "fp_vector", "int_vector", "load_vector", "store_vector", "load", "store", "branch", "fp_scalar", "integer"};

typedef struct Block {
    uint64_t count; /* executions in the region */
    uint32_t length, *code;
    uint32_t classes[CLASSES];
    struct Block *next;
} Block;

typedef struct {
    uint64_t tag; /* the line's number plus one; 0 is empty */
    uint64_t used;
    bool dirty;
} Way;

static Block *blocks;
static size_t n_blocks;
static char out[4096];
static Way *cache;
static uint64_t sets, clock_, loaded, stored, fetched, written, last_line;
static bool counting;
static unsigned marked; /* the processor, that is the thread, that began the region */

static const struct {
    uint32_t mask, value;
    int class;
} RULES[] = {
    {0x9fe0fc00, 0x0e809400, DOT},       {0xbfe0fc00, 0x0e809c00, DOT},    /* SDOT, UDOT; USDOT */
    {0x9fc0f400, 0x0f80e000, DOT},       {0xbf40f400, 0x0f00f000, DOT},    /* the same by element; SUDOT */
    {0xdfe0fc00, 0x4e80a400, MATRIX},    {0xffe0fc00, 0x4e80ac00, MATRIX}, /* SMMLA, UMMLA; USMMLA */
    {0xbf20fc00, 0x0e20cc00, FMLA},      {0xbf60fc00, 0x0e400c00, FMLA},   /* FMLA, FMLS of 32 and 64 bits; of 16 */
    {0xbf80b400, 0x0f801000, FMLA},      {0xbfc0b400, 0x0f001000, FMLA},   /* by element */
    {0x9f20c400, 0x0e20c400, FP_VECTOR}, {0x9f80f400, 0x0f809000, FP_VECTOR},
    {0x7e000000, 0x1e000000, FP_SCALAR},
    {0x0e000000, 0x0e000000, INT_VECTOR}, /* what is left of "SIMD and floating point" */
    {0x1c000000, 0x14000000, BRANCH},
};

/* Loads and stores: pairs and vector structures say so in bit 22, single registers in bits 22 and 23, literals are loads. */
static int memory_class(uint32_t w) {
    bool vector = w >> 26 & 1, pair = (w & 0x3a000000) == 0x28000000, structure = (w & 0xbe000000) == 0x0c000000;
    bool exclusive = (w & 0x3f000000) == 0x08000000, literal = (w & 0x3b000000) == 0x18000000;
    uint32_t opc = w >> 22 & 3;
    bool load = literal || (pair || structure || exclusive || vector ? opc & 1 : opc != 0);
    return vector ? (load ? LOAD_VECTOR : STORE_VECTOR) : (load ? LOAD : STORE);
}

static int class_of(uint32_t w) {
    if ((w & 0x0a000000) == 0x08000000) return memory_class(w);
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if ((w & RULES[i].mask) == RULES[i].value) return RULES[i].class;
    return INTEGER;
}

static void touch(uint64_t line, bool store) {
    Way *set = cache + line % sets * WAYS, *oldest = set;
    clock_++;
    for (Way *way = set; way < set + WAYS; way++) {
        if (way->tag == line + 1) {
            way->used = clock_;
            way->dirty |= store;
            return;
        }
        if (way->used < oldest->used) oldest = way;
    }
    fetched++;
    written += oldest->tag && oldest->dirty;
    *oldest = (Way){line + 1, clock_, store};
}

static void access_memory(unsigned cpu, MemInfo info, uint64_t address, void *data) {
    (void)data;
    if (!counting || cpu != marked) return;
    bool store = qemu_plugin_mem_is_store(info);
    uint64_t bytes = 1ull << qemu_plugin_mem_size_shift(info), line = address >> LINE_BITS;
    *(store ? &stored : &loaded) += bytes;
    if (!cache || (line == last_line && !store)) return;
    last_line = line;
    touch(line, store);
}

static void executed(unsigned cpu, void *block) {
    if (counting && cpu == marked) ((Block *)block)->count++;
}

static void translated(Id id, Tb *tb) {
    (void)id;
    Block *block = calloc(1, sizeof *block);
    block->length = qemu_plugin_tb_n_insns(tb);
    block->code = malloc(4 * block->length);
    for (uint32_t i = 0; i < block->length; i++) {
        Insn *insn = qemu_plugin_tb_get_insn(tb, i);
        memcpy(&block->code[i], qemu_plugin_insn_data(insn), 4);
        int class = class_of(block->code[i]);
        block->classes[class]++;
        if (class >= LOAD_VECTOR && class <= STORE) qemu_plugin_register_vcpu_mem_cb(insn, access_memory, NO_REGISTERS, READ_WRITE, NULL);
    }
    block->next = blocks, blocks = block, n_blocks++;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, NO_REGISTERS, block);
}

static uint64_t weight(const Block *b) { return b->count * b->length; }

static int heavier(const void *a, const void *b) {
    uint64_t x = weight(*(Block *const *)a), y = weight(*(Block *const *)b);
    return (x < y) - (x > y);
}

static void begin(unsigned cpu) {
    for (Block *b = blocks; b; b = b->next) b->count = 0;
    if (cache) memset(cache, 0, sets * WAYS * sizeof *cache);
    clock_ = loaded = stored = fetched = written = last_line = 0;
    marked = cpu, counting = true;
}

static void end(void) {
    counting = false;
    uint64_t total = 0, classes[CLASSES] = {0};
    Block **used = malloc(n_blocks * sizeof *used);
    size_t n = 0;
    for (Block *b = blocks; b; b = b->next) {
        if (!weight(b)) continue;
        used[n++] = b;
        total += weight(b);
        for (int c = 0; c < CLASSES; c++) classes[c] += b->count * b->classes[c];
    }
    qsort(used, n, sizeof *used, heavier);
    FILE *file = fopen(out, "w");
    if (!file) return free(used);
    fprintf(file, "{\"instructions\": %" PRIu64 ", \"loaded_bytes\": %" PRIu64 ", \"stored_bytes\": %" PRIu64, total, loaded, stored);
    fprintf(file, ", \"memory_bytes\": %" PRIu64 ", \"classes\": {", (fetched + written) << LINE_BITS);
    for (int c = 0; c < CLASSES; c++) fprintf(file, "%s\"%s\": %" PRIu64, c ? ", " : "", NAMES[c], classes[c]);
    fprintf(file, "}}\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(file, "%" PRIu64, used[i]->count);
        for (uint32_t k = 0; k < used[i]->length; k++) fprintf(file, " %08x", used[i]->code[k]);
        fputc('\n', file);
    }
    fclose(file);
    free(used);
}

static void called(Id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == PRCTL && a == MARK) b == BEGIN ? begin(cpu) : end();
}

EXPORT int qemu_plugin_install(Id id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) snprintf(out, sizeof out, "%s", argv[i] + 4);
        if (!strncmp(argv[i], "cache=", 6)) sets = strtoull(argv[i] + 6, NULL, 10) / (WAYS << LINE_BITS);
    }
    if (sets) cache = calloc(sets * WAYS, sizeof *cache);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
