// Signatures of NetMQ 4 and of Unity that the C# client uses, so that it can be compiled where neither is to be had. Nothing here runs.

using System;
using System.Collections.Generic;

namespace NetMQ
{
    public interface IReceivingSocket { }

    public class SocketOptions
    {
        public TimeSpan Linger { get; set; }
        public bool TcpKeepalive { get; set; }
    }

    public class NetMQSocket : IReceivingSocket, IDisposable
    {
        public SocketOptions Options { get { throw new NotSupportedException(); } }
        public void Connect(string address) { throw new NotSupportedException(); }
        public void Dispose() { throw new NotSupportedException(); }
    }

    public class NetMQFrame
    {
        public string ConvertToString() { throw new NotSupportedException(); }
        public byte[] ToByteArray(bool copy = false) { throw new NotSupportedException(); }
    }

    public class NetMQMessage
    {
        public int FrameCount { get { throw new NotSupportedException(); } }
        public NetMQFrame this[int index] { get { throw new NotSupportedException(); } }
    }

    public static class ReceivingSocketExtensions
    {
        public static bool TryReceiveMultipartMessage(
            this IReceivingSocket socket, TimeSpan timeout, ref NetMQMessage message, int expectedFrameCount = 4)
        {
            throw new NotSupportedException();
        }
    }
}

namespace NetMQ.Sockets
{
    public class SubscriberSocket : NetMQSocket
    {
        public virtual void Subscribe(string topic) { throw new NotSupportedException(); }
    }
}

namespace UnityEngine
{
    public class MonoBehaviour { }

    public static class Debug
    {
        public static void LogWarning(object message) { throw new NotSupportedException(); }
    }
}

namespace UnityEngine.Events
{
    public abstract class UnityEvent<T>
    {
        public void Invoke(T value) { throw new NotSupportedException(); }
    }
}
