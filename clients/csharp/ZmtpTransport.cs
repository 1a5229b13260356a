// A subscriber's socket without any library: ZMTP 3.0 (rfc.zeromq.org/spec/23) over TCP, unencrypted, for the same computer.

using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Threading;

namespace Rtbci
{
    public sealed class ZmtpTransport : ITransport
    {
        private const int MaxFrameBytes = 65536;
        private const int ReplyMs = 2000;  // a peer that is silent in the middle of a frame for so long is given up
        private const int RetryMs = 250;
        private const byte More = 1, Long = 2, Command = 4;

        private string _host;
        private int _port;
        private List<string> _topics;
        private Socket _socket;

        public void Connect(string address, IEnumerable<string> topics)
        {
            Uri uri;
            if (!Uri.TryCreate(address, UriKind.Absolute, out uri) || uri.Scheme != "tcp" || uri.Port <= 0)
                throw new ArgumentException("ZmtpTransport: address is " + address + ", need tcp://HOST:PORT");
            _host = uri.Host.Trim('[', ']');
            _port = uri.Port;
            _topics = new List<string>(topics);
        }

        public bool TryReceive(TimeSpan timeout, out string topic, out byte[] payload)
        {
            topic = null;
            payload = null;
            try
            {
                if (_socket == null) Open();
                if (!_socket.Poll((int)timeout.TotalMilliseconds * 1000, SelectMode.SelectRead)) return false;
                var frames = ReadMessage();
                if (frames == null || frames.Count != 2) return false;
                topic = Encoding.ASCII.GetString(frames[0]);
                payload = frames[1];
                return true;
            }
            catch (Exception error)
            {
                // Not there yet, or gone: the next call tries again.
                if (!(error is IOException || error is SocketException)) throw;
                Close();
                Thread.Sleep(Math.Min(RetryMs, (int)timeout.TotalMilliseconds));
                return false;
            }
        }

        public void Dispose()
        {
            Close();
        }

        private void Open()
        {
            _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            _socket.ReceiveTimeout = _socket.SendTimeout = ReplyMs;
            _socket.Connect(_host, _port);
            var greeting = new byte[64];
            greeting[0] = 0xFF;
            greeting[9] = 0x7F;
            greeting[10] = 3;  // version 3.0
            Encoding.ASCII.GetBytes("NULL").CopyTo(greeting, 12);
            // libzmq hangs up without a word on a whole greeting with another mechanism; this much makes it say its own first.
            _socket.Send(greeting, 0, 11, SocketFlags.None);
            var theirs = ReadBytes(64);
            if (theirs[0] != 0xFF || theirs[10] < 3 || Encoding.ASCII.GetString(theirs, 12, 20).TrimEnd('\0') != "NULL")
                throw new InvalidOperationException(
                    "ZmtpTransport: " + _host + ":" + _port + " wants encryption or is no ZeroMQ socket, need rtbci "
                    + "without keys on this computer; NetMqTransport can do encryption");
            _socket.Send(greeting, 11, 53, SocketFlags.None);
            SendFrame(Command, Encoding.ASCII.GetBytes("\u0005READY\u000bSocket-Type\0\0\0\u0003SUB"));
            ReadFrame();  // their READY
            foreach (var topic in _topics) SendFrame(0, Encoding.ASCII.GetBytes("\u0001" + topic));
        }

        private void Close()
        {
            if (_socket != null) _socket.Close();
            _socket = null;
        }

        /// <summary>All frames of a message; null for a command.</summary>
        private List<byte[]> ReadMessage()
        {
            var frames = new List<byte[]>();
            while (true)
            {
                var frame = ReadFrame();
                if ((frame.Key & Command) != 0)
                {
                    Answer(frame.Value);
                    if (frames.Count == 0) return null;
                    continue;
                }
                if (frames.Count < 3) frames.Add(frame.Value);  // more than two are no message of rtbci
                if ((frame.Key & More) == 0) return frames;
            }
        }

        private void Answer(byte[] command)
        {
            // PING has a name of 4 letters, 2 bytes time to live, then what PONG has to repeat.
            if (command.Length < 7 || Encoding.ASCII.GetString(command, 0, 5) != "\u0004PING") return;
            var pong = new byte[command.Length - 2];
            Encoding.ASCII.GetBytes("\u0004PONG").CopyTo(pong, 0);
            Array.Copy(command, 7, pong, 5, command.Length - 7);
            SendFrame(Command, pong);
        }

        private KeyValuePair<byte, byte[]> ReadFrame()
        {
            var flags = ReadBytes(1)[0];
            long size = 0;
            foreach (var one in ReadBytes((flags & Long) != 0 ? 8 : 1)) size = size << 8 | one;
            if (size < 0 || size > MaxFrameBytes) throw new IOException("a frame of " + size + " bytes");
            return new KeyValuePair<byte, byte[]>(flags, ReadBytes((int)size));
        }

        private void SendFrame(byte flags, byte[] body)
        {
            var frame = new byte[body.Length + 2];  // bodies here are shorter than 256 bytes
            frame[0] = flags;
            frame[1] = (byte)body.Length;
            body.CopyTo(frame, 2);
            _socket.Send(frame);
        }

        private byte[] ReadBytes(int count)
        {
            var bytes = new byte[count];
            for (var i = 0; i < count;)
            {
                var read = _socket.Receive(bytes, i, count - i, SocketFlags.None);
                if (read == 0) throw new IOException("closed by the other side");
                i += read;
            }
            return bytes;
        }
    }
}
