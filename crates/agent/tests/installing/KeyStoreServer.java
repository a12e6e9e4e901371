import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** Serves TLS with a key store, which it reads anew for each connection: FILE PASSWORD PORT. */
public class KeyStoreServer {
    public static void main(String[] args) throws Exception {
        try (java.net.ServerSocket listener =
                new java.net.ServerSocket(Integer.parseInt(args[2]), 16, InetAddress.getLoopbackAddress())) {
            while (true) {
                java.net.Socket plain = listener.accept();
                try {
                    SSLContext context = context(args[0], args[1].toCharArray());
                    SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, null, true);
                    socket.setUseClientMode(false);
                    socket.setSoTimeout(5000);
                    socket.startHandshake();
                    socket.close();
                } catch (Exception broken) {
                    plain.close();
                }
            }
        }
    }

    private static SSLContext context(String file, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream input = new FileInputStream(file)) {
            store.load(input, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }
}
