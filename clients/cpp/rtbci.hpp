// Listen to rtbci from C++17: copy this file. Needs cppzmq and nlohmann/json, both headers, and libzmq.
//
//   rtbci::Listener listener("tcp://127.0.0.1:5571");
//   for (;;) {
//       const auto received = listener.receive(std::chrono::seconds(5));
//       if (!received) continue;  // nothing came; a run that ends and comes back is heard again
//       const auto& prediction = received->message;
//       if (prediction["decision"].is_string()) std::cout << prediction["decision"].get<std::string>() << '\n';
//   }
//
// In a game loop: `const nlohmann::json* newest = listener.latest();`, which never waits.
//
// A run on another computer is encrypted: give its public key, and a pair of your own from `zmq_curve_keypair`, all as ZeroMQ's text
// (40 letters): `rtbci::Listener listener(address, {"prediction"}, {server_key, public_key, secret_key});`

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <zmq.hpp>

namespace rtbci {

struct Received {
    std::string topic;
    nlohmann::json message;
};

/// Keys of an encrypted run, as ZeroMQ's text; empty: not encrypted.
struct Keys {
    std::string server_key, public_key, secret_key;
};

/// Receives messages of an rtbci run, which may be started before or after this. Not for two threads at a time.
class Listener {
public:
    explicit Listener(const std::string& address = "tcp://127.0.0.1:5571",
                      std::vector<std::string> topics = {"prediction"}, const Keys& keys = Keys())
        : topics_(std::move(topics)), socket_(context_, zmq::socket_type::sub) {
        socket_.set(zmq::sockopt::linger, 0);
        socket_.set(zmq::sockopt::maxmsgsize, std::int64_t{65536});
        socket_.set(zmq::sockopt::heartbeat_ivl, 5000);  // so that a cable pulled is noticed
        if (!keys.server_key.empty()) {
            socket_.set(zmq::sockopt::curve_serverkey, keys.server_key);
            socket_.set(zmq::sockopt::curve_publickey, keys.public_key);
            socket_.set(zmq::sockopt::curve_secretkey, keys.secret_key);
        }
        socket_.connect(address);
        for (const auto& topic : topics_) socket_.set(zmq::sockopt::subscribe, topic);
        if (!wants("hello")) socket_.set(zmq::sockopt::subscribe, "hello");
        // "soon" wakes us 1.5 ms before a prediction: it finds nobody asleep.
        if (wants("prediction")) socket_.set(zmq::sockopt::subscribe, "soon");
    }

    /// Wait for the next message of the topics; nothing when none comes in time.
    std::optional<Received> receive(std::chrono::milliseconds timeout) {
        const auto end = std::chrono::steady_clock::now() + timeout;
        do {
            const auto left = end - std::chrono::steady_clock::now();
            auto received = read(std::max(std::chrono::milliseconds(0),
                                          std::chrono::ceil<std::chrono::milliseconds>(left)));
            if (received && wants(received->topic)) return received;
        } while (std::chrono::steady_clock::now() < end || pending());  // behind "hello" and "soon" there may be one
        return std::nullopt;
    }

    /// The newest message of a topic, without waiting; null before the first. Valid until the next call.
    const nlohmann::json* latest(const std::string& topic = "prediction") {
        while (pending()) read(std::chrono::milliseconds(0));
        const auto found = newest_.find(topic);
        return found == newest_.end() ? nullptr : &found->second;
    }

    /// Messages of a topic that were sent and did not arrive; starts anew with every session.
    std::int64_t lost(const std::string& topic = "prediction") const {
        const auto found = lost_.find(topic);
        return found == lost_.end() ? 0 : found->second;
    }

    /// What was no JSON object of schema version 1, and was skipped; MessagePack, too (rtbci run --format json).
    std::int64_t malformed() const { return malformed_; }

    /// Id of the run; empty before the first message.
    const std::string& session() const { return session_; }

private:
    bool wants(const std::string& topic) const {
        return std::find(topics_.begin(), topics_.end(), topic) != topics_.end();
    }

    bool pending() { return (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }

    std::optional<Received> read(std::chrono::milliseconds timeout) {
        zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
        if (zmq::poll(&item, 1, timeout) == 0) return std::nullopt;
        std::vector<std::string> frames;
        zmq::message_t frame;
        do {
            if (!socket_.recv(frame)) return std::nullopt;
            frames.push_back(frame.to_string());
        } while (frame.more());
        if (frames[0] == "soon") return std::nullopt;
        if (frames.size() != 2) return refuse();
        auto message = nlohmann::json::parse(frames[1], nullptr, /* allow_exceptions = */ false);
        if (!message.is_object() || message.value("v", nlohmann::json()) != 1) return refuse();
        if (!message["session"].is_string() || !message["seq"].is_number_integer()) return refuse();
        count(frames[0], message["session"].get<std::string>(), message["seq"].get<std::int64_t>());
        newest_[frames[0]] = message;
        return Received{frames[0], std::move(message)};
    }

    std::optional<Received> refuse() {
        ++malformed_;
        return std::nullopt;
    }

    void count(const std::string& topic, const std::string& session, std::int64_t seq) {
        if (session != session_) {  // a new run: everything starts anew
            session_ = session;
            lost_.clear();
            next_seq_.clear();
            newest_.clear();
        }
        const auto known = next_seq_.find(topic);
        const std::int64_t expected = known == next_seq_.end() ? seq : known->second;
        lost_[topic] += std::max<std::int64_t>(0, seq - expected);
        next_seq_[topic] = std::max(expected, seq + 1);
    }

    std::vector<std::string> topics_;
    std::string session_;
    std::int64_t malformed_ = 0;
    std::map<std::string, std::int64_t> lost_, next_seq_;
    std::map<std::string, nlohmann::json> newest_;
    zmq::context_t context_;
    zmq::socket_t socket_;
};

}  // namespace rtbci
