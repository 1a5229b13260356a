// A subscriber of tools/bench_clients.py: bench_clients ADDRESS SECONDS

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "rtbci.hpp"

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int main(int, char** argv) {
    const double duration_s = std::stod(argv[2]), start = now();
    std::vector<double> latency_ms;
    std::int64_t lost = 0;
    rtbci::Listener listener(argv[1]);
    while (const auto received = listener.receive(std::chrono::seconds(5))) {
        const double heard = now();
        if (heard - start > 1) latency_ms.push_back((heard - received->message["t_sent"].get<double>()) * 1e3);
        lost = std::max(lost, listener.lost());
        if (heard - start > 1 + duration_s) break;
    }
    std::cout << nlohmann::json{{"latency_ms", latency_ms}, {"n_lost", lost}} << std::endl;
}
