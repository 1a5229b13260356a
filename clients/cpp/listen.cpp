// Print predictions and events until Ctrl-C:
//   g++ -std=c++17 -O2 -Wall -Wextra listen.cpp -o listen -lzmq && ./listen [ADDRESS]
// Keys of an encrypted run: RTBCI_SERVER_KEY, RTBCI_PUBLIC_KEY, RTBCI_SECRET_KEY in the environment.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "rtbci.hpp"

static std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

int main(int argc, char** argv) {
    const std::string address = argc > 1 ? argv[1] : "tcp://127.0.0.1:5571";
    rtbci::Listener listener(address, {"prediction", "event"},
                             {from_environment("RTBCI_SERVER_KEY"), from_environment("RTBCI_PUBLIC_KEY"),
                              from_environment("RTBCI_SECRET_KEY")});
    bool is_silent = false;
    for (;;) {
        const auto received = listener.receive(std::chrono::seconds(5));
        if (!received) {
            if (!is_silent)  // said once; a run that comes is heard
                std::fprintf(stderr, "nothing %sfrom %s in 5 s; is `rtbci run` running, and does it publish there?\n",
                             listener.session().empty() ? "" : "more ", address.c_str());
            is_silent = true;
            continue;
        }
        is_silent = false;
        const auto& message = received->message;
        if (received->topic == "event") {
            std::printf("event %s %s\n", message["kind"].get<std::string>().c_str(),
                        message["value"].get<std::string>().c_str());
        } else {
            const bool decided = message["decision"].is_string();
            const std::string outcome = decided ? message["decision"].get<std::string>()
                                                : "(" + message["why"].get<std::string>() + ")";
            std::printf("%-18s", outcome.c_str());
            for (std::size_t i = 0; message["probs"].is_array() && i < message["probs"].size(); ++i)
                std::printf(" %s=%.2f", message["classes"][i].get<std::string>().c_str(),
                            message["probs"][i].get<double>());
            std::printf("  lost %lld\n", static_cast<long long>(listener.lost()));
        }
        std::fflush(stdout);
    }
}
