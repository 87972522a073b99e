import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.transport.Netty4Plugin;

/** One node in the folder of the first argument, until standard input ends. */
public final class Launch extends Node {
    private Launch(Environment env) {
        super(env, List.of(Netty4Plugin.class), true);
    }

    public static void main(String[] args) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", args[0]).put("http.port", "0").put("transport.port", "0").put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node").put("cluster.name", "verifier-test").put("node.name", "test")
            .put("http.type", "netty4").put("transport.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false) // else a full disk makes indices read-only
            .build();
        Environment env = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), Path.of(args[0], "config"), () -> "test");
        Launch node = new Launch(env);
        node.start();
        System.out.println("listening " + node.injector().getInstance(org.elasticsearch.http.HttpServerTransport.class).boundAddress().publishAddress());
        while (System.in.read() >= 0) {
        }
        Runtime.getRuntime().halt(0); // nobody needs its data any more
    }
}
