import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;

/** One node in the folder of the first argument, until standard input ends. */
public final class Launch {
    public static void main(String[] args) throws Exception {
        LogConfigurator.configureESLogging(); // before the node: else its first logger fails
        Settings settings = Settings.builder()
            .put("path.home", args[0]).put("http.port", "0").put("transport.port", "0").put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node").put("cluster.name", "verifier-test").put("node.name", "test")
            .put("cluster.routing.allocation.disk.threshold_enabled", false) // else a full disk makes indices read-only
            .build();
        Environment env = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), Path.of(args[0], "config"), () -> "test");
        Node node = new Node(env); // loads transport-netty4 from modules/
        node.start();
        System.out.println("listening " + node.injector().getInstance(org.elasticsearch.http.HttpServerTransport.class).boundAddress().publishAddress());
        while (System.in.read() >= 0) {
        }
        Runtime.getRuntime().halt(0); // nobody needs its data any more
    }
}
