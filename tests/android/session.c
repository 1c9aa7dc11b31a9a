/* session LIBRARY PROVIDER MODEL: open a session of ONNX Runtime for Android on a model and let it say on stderr what goes where. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "onnxruntime_c_api.h"

static const OrtApi *api;

static void check(OrtStatus *status) {
    if (status == NULL) return;
    fprintf(stderr, "session: %s\n", api->GetErrorMessage(status));
    fflush(NULL);
    _exit(2);
}

int main(int count, char **words) {
    if (count != 4) return 1;
    void *library = dlopen(words[1], RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        fprintf(stderr, "session: %s\n", dlerror());
        return 3;
    }
    const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
    api = base()->GetApi(20);
    OrtEnv *environment;
    OrtSessionOptions *options;
    OrtSession *session;
    check(api->CreateEnv(ORT_LOGGING_LEVEL_VERBOSE, "session", &environment));
    check(api->CreateSessionOptions(&options));
    check(api->SetIntraOpNumThreads(options, 1));
    check(api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_BASIC));
    if (strcmp(words[2], "nnapi") == 0) {
        OrtStatus *(*append)(OrtSessionOptions *, uint32_t) =
            (OrtStatus * (*)(OrtSessionOptions *, uint32_t)) dlsym(library, "OrtSessionOptionsAppendExecutionProvider_Nnapi");
        check(append(options, 0));
    } else {
        const char *names[] = {"intra_op_num_threads"}, *values[] = {"1"};
        check(api->SessionOptionsAppendExecutionProvider(options, "XNNPACK", names, values, 1));
    }
    check(api->CreateSession(environment, words[3], options, &session));
    fprintf(stderr, "session: open\n");
    fflush(NULL);
    _exit(0);
}
