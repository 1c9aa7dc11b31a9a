/* The part of ONNX Runtime's C API that the runner uses, declared here because the wheels carry the library without its header.
 *
 * `OrtApi` is a table of functions that grows at its end alone, so the place of an entry is part of the library's binary
 * interface; the places below are those of API version 10 (ONNX Runtime 1.10) and later; the one of version 12 is called on Android
 * alone. tests/bench/test_runner.py and test_android.py call every one of them in the real libraries. */
#ifndef PIXSEARCH_ORT_H
#define PIXSEARCH_ORT_H

#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 10

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtShapeInfo OrtShapeInfo; /* OrtTensorTypeAndShapeInfo */
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtRunOptions OrtRunOptions;
typedef void (*OrtLog)(void *, int severity, const char *category, const char *id, const char *where, const char *message);

typedef struct {
    void *const *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
} OrtApiBase;

enum { ORT_LOGGING_VERBOSE = 0, ORT_LOGGING_ERROR = 3, ORT_ARENA_ALLOCATOR = 1, ORT_MEM_DEFAULT = 0 };
enum { ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_INT8 = 3, ORT_UINT16 = 4, ORT_INT32 = 6, ORT_FLOAT16 = 10 };

/* ORT_ENTRY(place, result, name, arguments) makes `name` a function that calls the table's entry. */
extern void *const *ort_api;
#define ORT_ENTRY(place, result, name, ...) static inline result (*name(void))(__VA_ARGS__) { return (result(*)(__VA_ARGS__))ort_api[place]; }

ORT_ENTRY(2, const char *, GetErrorMessage, const OrtStatus *)
ORT_ENTRY(3, OrtStatus *, CreateEnv, int severity, const char *, OrtEnv **)
ORT_ENTRY(4, OrtStatus *, CreateEnvWithCustomLogger, OrtLog, void *, int severity, const char *, OrtEnv **)
ORT_ENTRY(7, OrtStatus *, CreateSession, const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **)
ORT_ENTRY(9, OrtStatus *, Run, OrtSession *, const OrtRunOptions *, const char *const *, const OrtValue *const *, size_t, const char *const *, size_t, OrtValue **)
ORT_ENTRY(10, OrtStatus *, CreateSessionOptions, OrtSessionOptions **)
ORT_ENTRY(11, OrtStatus *, SetOptimizedModelFilePath, OrtSessionOptions *, const char *path)
ORT_ENTRY(22, OrtStatus *, SetSessionLogSeverityLevel, OrtSessionOptions *, int)
ORT_ENTRY(24, OrtStatus *, SetIntraOpNumThreads, OrtSessionOptions *, int)
ORT_ENTRY(25, OrtStatus *, SetInterOpNumThreads, OrtSessionOptions *, int)
ORT_ENTRY(30, OrtStatus *, SessionGetInputCount, const OrtSession *, size_t *)
ORT_ENTRY(31, OrtStatus *, SessionGetOutputCount, const OrtSession *, size_t *)
ORT_ENTRY(33, OrtStatus *, SessionGetInputTypeInfo, const OrtSession *, size_t, OrtTypeInfo **)
ORT_ENTRY(36, OrtStatus *, SessionGetInputName, const OrtSession *, size_t, OrtAllocator *, char **)
ORT_ENTRY(37, OrtStatus *, SessionGetOutputName, const OrtSession *, size_t, OrtAllocator *, char **)
ORT_ENTRY(39, OrtStatus *, CreateRunOptions, OrtRunOptions **)
ORT_ENTRY(41, OrtStatus *, RunOptionsSetRunLogSeverityLevel, OrtRunOptions *, int)
ORT_ENTRY(49, OrtStatus *, CreateTensorWithDataAsOrtValue, const OrtMemoryInfo *, void *, size_t bytes, const int64_t *, size_t rank, int type, OrtValue **)
ORT_ENTRY(51, OrtStatus *, GetTensorMutableData, OrtValue *, void **)
ORT_ENTRY(55, OrtStatus *, CastTypeInfoToTensorInfo, const OrtTypeInfo *, const OrtShapeInfo **)
ORT_ENTRY(60, OrtStatus *, GetTensorElementType, const OrtShapeInfo *, int *)
ORT_ENTRY(61, OrtStatus *, GetDimensionsCount, const OrtShapeInfo *, size_t *)
ORT_ENTRY(62, OrtStatus *, GetDimensions, const OrtShapeInfo *, int64_t *, size_t)
ORT_ENTRY(64, OrtStatus *, GetTensorShapeElementCount, const OrtShapeInfo *, size_t *)
ORT_ENTRY(65, OrtStatus *, GetTensorTypeAndShape, const OrtValue *, OrtShapeInfo **)
ORT_ENTRY(69, OrtStatus *, CreateCpuMemoryInfo, int allocator, int type, OrtMemoryInfo **)
ORT_ENTRY(78, OrtStatus *, GetAllocatorWithDefaultOptions, OrtAllocator **)
ORT_ENTRY(93, void, ReleaseStatus, OrtStatus *)
ORT_ENTRY(95, void, ReleaseSession, OrtSession *)
ORT_ENTRY(96, void, ReleaseValue, OrtValue *)
ORT_ENTRY(98, void, ReleaseTypeInfo, OrtTypeInfo *)
ORT_ENTRY(99, void, ReleaseTensorTypeAndShapeInfo, OrtShapeInfo *)
ORT_ENTRY(130, OrtStatus *, AddSessionConfigEntry, OrtSessionOptions *, const char *key, const char *value)
ORT_ENTRY(216, OrtStatus *, SessionOptionsAppendExecutionProvider, OrtSessionOptions *, const char *name, const char *const *keys, const char *const *values, size_t)

#endif
