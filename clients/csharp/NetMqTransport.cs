// A subscriber's socket of NetMQ (the NuGet package NetMQ, 4.0 or newer).

using System;
using System.Collections.Generic;
using NetMQ;
using NetMQ.Sockets;

namespace Rtbci
{
    public sealed class NetMqTransport : ITransport
    {
        private readonly SubscriberSocket _socket = new SubscriberSocket();

        public void Connect(string address, IEnumerable<string> topics)
        {
            _socket.Options.Linger = TimeSpan.Zero;
            _socket.Options.TcpKeepalive = true;
            foreach (var topic in topics) _socket.Subscribe(topic);
            _socket.Connect(address);
        }

        public bool TryReceive(TimeSpan timeout, out string topic, out byte[] payload)
        {
            topic = null;
            payload = null;
            NetMQMessage message = null;
            if (!_socket.TryReceiveMultipartMessage(timeout, ref message) || message.FrameCount != 2) return false;
            topic = message[0].ConvertToString();
            payload = message[1].ToByteArray();
            return true;
        }

        public void Dispose()
        {
            _socket.Dispose();
        }
    }
}
