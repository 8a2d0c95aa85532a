package fhirserver;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.config.util.ResourceCountCacheUtil;
import ca.uhn.fhir.jpa.dao.FulltextSearchSvcImpl;
import ca.uhn.fhir.jpa.dao.IFulltextSearchSvc;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.util.ResourceCountCache;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.CorsInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.persistence.EntityManagerFactory;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.h2.jdbcx.JdbcConnectionPool;
import org.hibernate.cfg.AvailableSettings;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.web.cors.CorsConfiguration;

/**
 * A HAPI FHIR R4 server on a free port of the loopback interface, with its data in memory. It prints
 * {@code READY <base URL>} once it answers, and ends when its standard input does: so it never outlives the tests.
 */
public final class Main {
    /** The server's own limit of a page, below the {@code _count} that the service asks for. */
    private static final int LARGEST_PAGE = 200;

    /** A search holds one connection and may wait for another: enough for many at once. */
    private static final int CONNECTIONS = 60;

    private Main() {}

    public static void main(String[] args) throws Exception {
        try (var context = new AnnotationConfigApplicationContext(Storage.class)) {
            var fhir = context.getBean(RestfulServer.class);
            context.getAutowireCapableBeanFactory().autowireBean(fhir);
            var holder = new ServletHolder(fhir);
            holder.setInitOrder(1);
            var handler = new ServletContextHandler("/");
            handler.addServlet(holder, "/fhir/*");
            var server = new Server(new InetSocketAddress("127.0.0.1", 0));
            server.setHandler(handler);
            server.start();
            // HAPI itself looks once a minute how far an export is.
            var jobs = context.getBean(IJobMaintenanceService.class);
            Executors.newSingleThreadScheduledExecutor()
                    .scheduleWithFixedDelay(jobs::runMaintenancePass, 1, 1, TimeUnit.SECONDS);
            System.out.println("READY http://127.0.0.1:" + server.getURI().getPort() + "/fhir");
            System.in.transferTo(OutputStream.nullOutputStream());
        } finally {
            Runtime.getRuntime().halt(0); // The data are gone anyway; an orderly end takes seconds.
        }
    }

    /** What HAPI needs to store resources and to search for them. */
    @Configuration
    @EnableTransactionManagement
    @Import({
        JpaR4Config.class,
        HapiJpaConfig.class,
        JpaBatch2Config.class,
        Batch2JobsConfig.class,
        ThreadPoolFactoryConfig.class,
        SubscriptionChannelConfig.class
    })
    public static class Storage {
        @Bean
        public JpaStorageSettings storageSettings() {
            var settings = new JpaStorageSettings();
            settings.setAllowExternalReferences(true);
            settings.setEnforceReferentialIntegrityOnWrite(false);
            settings.setEnforceReferentialIntegrityOnDelete(false);
            settings.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
            settings.setReuseCachedSearchResultsForMillis(null); // A test must see at once what it wrote.
            return settings;
        }

        @Bean
        public PartitionSettings partitionSettings() {
            return new PartitionSettings();
        }

        @Bean
        public SubscriptionSettings subscriptionSettings() {
            return new SubscriptionSettings();
        }

        @Bean
        public DataSource dataSource() {
            var pool = JdbcConnectionPool.create("jdbc:h2:mem:fhir;DB_CLOSE_DELAY=-1", "sa", "");
            pool.setMaxConnections(CONNECTIONS);
            return pool;
        }

        @Primary
        @Bean
        public LocalContainerEntityManagerFactoryBean entityManagerFactory(
                DataSource source, ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings) {
            var properties = new Properties();
            properties.put(AvailableSettings.DIALECT, HapiFhirH2Dialect.class.getName());
            properties.put(AvailableSettings.HBM2DDL_AUTO, "create");
            properties.put(AvailableSettings.STATEMENT_BATCH_SIZE, "20");
            properties.put("hibernate.search.enabled", "false");
            var factory = HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
            factory.setPersistenceUnitName("HAPI_PU");
            factory.setDataSource(source);
            factory.setJpaProperties(properties);
            return factory;
        }

        @Primary
        @Bean
        public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }

        @Bean
        public IFulltextSearchSvc fullTextSearchSvc() {
            return new FulltextSearchSvcImpl();
        }

        @Bean
        public DatabaseBackedPagingProvider databaseBackedPagingProvider() {
            var paging = new DatabaseBackedPagingProvider();
            paging.setMaximumPageSize(LARGEST_PAGE);
            return paging;
        }

        @Bean(name = "myResourceCountsCache")
        public ResourceCountCache resourceCountsCache(IFhirSystemDao<?, ?> system) {
            return ResourceCountCacheUtil.newResourceCountCache(system);
        }

        @Bean
        public RestfulServer restfulServer(
                IFhirSystemDao<?, ?> system,
                IJpaSystemProvider systemProvider,
                BulkDataExportProvider bulkExport,
                ResourceProviderFactory providers,
                DatabaseBackedPagingProvider paging,
                JpaStorageSettings settings,
                ISearchParamRegistry parameters,
                IValidationSupport validation) {
            var server = new RestfulServer(system.getContext());
            server.registerProviders(providers.createProviders());
            server.registerProvider(systemProvider);
            server.registerProvider(bulkExport);
            server.setPagingProvider(paging);
            server.setDefaultResponseEncoding(EncodingEnum.JSON);
            server.setServerConformanceProvider(
                    new JpaCapabilityStatementProvider(server, system, settings, parameters, validation));
            server.registerInterceptor(new CorsInterceptor(everyOrigin()));
            return server;
        }

        /** A page in a browser may ask too, as HAPI's own starter allows. */
        private static CorsConfiguration everyOrigin() {
            var cors = new CorsConfiguration();
            cors.addAllowedOriginPattern(CorsConfiguration.ALL);
            cors.addAllowedHeader(CorsConfiguration.ALL);
            cors.setAllowedMethods(List.of("GET", "POST", "PUT", "OPTIONS"));
            return cors;
        }
    }
}
