/* A test double of libneuralnetworks.so: one accelerator of $NNAPI_LEVEL that claims every operation it is handed. It computes nothing;
   what is tested is which nodes ONNX Runtime hands it, and that a model is built out of them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct { uint32_t operations; } Model;
static int device;

static int64_t level(void) {
    const char *given = getenv("NNAPI_LEVEL");
    return given ? atol(given) : 31;
}

int ANeuralNetworks_getDeviceCount(uint32_t *count) { *count = 1; return 0; }
int ANeuralNetworks_getDevice(uint32_t number, void **found) { (void)number; *found = &device; return 0; }
int64_t ANeuralNetworks_getRuntimeFeatureLevel(void) { return level(); }
int ANeuralNetworksDevice_getName(const void *which, const char **name) { (void)which; *name = "double"; return 0; }
int ANeuralNetworksDevice_getVersion(const void *which, const char **version) { (void)which; *version = "1"; return 0; }
int ANeuralNetworksDevice_getType(const void *which, int32_t *type) { (void)which; *type = 4; return 0; }
int ANeuralNetworksDevice_getFeatureLevel(const void *which, int64_t *found) { (void)which; *found = level(); return 0; }

int ANeuralNetworksModel_create(Model **model) { *model = calloc(1, sizeof **model); return 0; }
void ANeuralNetworksModel_free(Model *model) { free(model); }
int ANeuralNetworksModel_addOperation(Model *model) { model->operations++; return 0; }
int ANeuralNetworksModel_getSupportedOperationsForDevices(const Model *model, const void *const *devices, uint32_t count, bool *supported) {
    (void)devices;
    (void)count;
    for (uint32_t place = 0; place < model->operations; place++) supported[place] = true;
    return 0;
}
int ANeuralNetworksMemory_createFromFd(size_t size, int protection, int file, size_t offset, void **memory) {
    (void)protection;
    (void)file;
    (void)offset;
    *memory = malloc(size ? size : 1);
    return 0;
}
void ANeuralNetworksMemory_free(void *memory) { free(memory); }
int ANeuralNetworksCompilation_create(void *model, void **compilation) { *compilation = model; return 0; }
int ANeuralNetworksCompilation_createForDevices(void *model, const void *const *devices, uint32_t count, void **compilation) {
    (void)devices;
    (void)count;
    *compilation = model;
    return 0;
}

#define FINE(name) int name(void) { return 0; }
FINE(ANeuralNetworksModel_addOperand)
FINE(ANeuralNetworksModel_setOperandValue)
FINE(ANeuralNetworksModel_setOperandValueFromMemory)
FINE(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams)
FINE(ANeuralNetworksModel_identifyInputsAndOutputs)
FINE(ANeuralNetworksModel_relaxComputationFloat32toFloat16)
FINE(ANeuralNetworksModel_finish)
FINE(ANeuralNetworksCompilation_setPreference)
FINE(ANeuralNetworksCompilation_setCaching)
FINE(ANeuralNetworksCompilation_setPriority)
FINE(ANeuralNetworksCompilation_setTimeout)
FINE(ANeuralNetworksCompilation_finish)
FINE(ANeuralNetworksCompilation_free)

int ANeuralNetworksExecution_create(void *compilation, void **execution) {
    (void)compilation;
    *execution = NULL;
    return 5; /* the operation failed */
}
void ANeuralNetworksExecution_free(void *execution) { (void)execution; }
