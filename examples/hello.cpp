// Prints twelve lines, half a second apart, with plain printf and no flush.
//
// You see each line when it is printed: programs run at a terminal here, so the C library does not hold output back.

#include <chrono>
#include <cstdio>
#include <thread>

int main() {
    for (int line = 1; line <= 12; ++line) {
        std::printf("hello %2d of 12 from C++\n", line);
        if (line < 12) {
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
        }
    }
    return 0;
}
