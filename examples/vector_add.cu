// Adds two vectors of 64 Mi floats on the GPU, checks every element, and reports the memory bandwidth.
//
// You see the GPU's name, the time of the fastest of ten launches with the bandwidth it means, and the result of the
// check. Needs an NVIDIA GPU with 1 GiB of free memory.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

#define CHECK(call)                                                                                       \
    do {                                                                                                  \
        const cudaError_t status = (call);                                                                \
        if (status != cudaSuccess) {                                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, cudaGetErrorString(status));          \
            std::exit(EXIT_FAILURE);                                                                      \
        }                                                                                                 \
    } while (0)

__global__ void add(const float *a, const float *b, float *sum, size_t count) {
    const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
        sum[i] = a[i] + b[i];
    }
}

int main() {
    constexpr size_t count = size_t{64} << 20;
    constexpr size_t bytes = count * sizeof(float);

    cudaDeviceProp gpu{};
    CHECK(cudaGetDeviceProperties(&gpu, 0));
    std::printf("%s, %zu MiB, compute capability %d.%d\n", gpu.name, gpu.totalGlobalMem >> 20, gpu.major, gpu.minor);

    std::vector<float> a(count), b(count), sum(count);
    for (size_t i = 0; i < count; ++i) {
        a[i] = static_cast<float>(i % 1000);
        b[i] = 0.5f * static_cast<float>(i % 77);
    }

    float *device_a = nullptr, *device_b = nullptr, *device_sum = nullptr;
    CHECK(cudaMalloc(&device_a, bytes));
    CHECK(cudaMalloc(&device_b, bytes));
    CHECK(cudaMalloc(&device_sum, bytes));
    CHECK(cudaMemcpy(device_a, a.data(), bytes, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(device_b, b.data(), bytes, cudaMemcpyHostToDevice));

    cudaEvent_t begin, end;
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    float best_ms = 1e30f;
    for (int launch = 0; launch < 10; ++launch) {
        CHECK(cudaEventRecord(begin));
        add<<<gpu.multiProcessorCount * 8, 256>>>(device_a, device_b, device_sum, count);
        CHECK(cudaGetLastError());
        CHECK(cudaEventRecord(end));
        CHECK(cudaEventSynchronize(end));
        float ms = 0;
        CHECK(cudaEventElapsedTime(&ms, begin, end));
        best_ms = ms < best_ms ? ms : best_ms;
    }
    std::printf("%zu additions in %.3f ms, %.0f GB/s\n", count, best_ms, 3.0 * bytes / best_ms / 1e6);

    CHECK(cudaMemcpy(sum.data(), device_sum, bytes, cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < count; ++i) {
        if (sum[i] != a[i] + b[i]) {
            std::fprintf(stderr, "element %zu is %g instead of %g\n", i, sum[i], a[i] + b[i]);
            return EXIT_FAILURE;
        }
    }
    std::printf("all %zu elements checked\n", count);
    CHECK(cudaEventDestroy(begin));
    CHECK(cudaEventDestroy(end));
    CHECK(cudaFree(device_a));
    CHECK(cudaFree(device_b));
    CHECK(cudaFree(device_sum));
    return EXIT_SUCCESS;
}
