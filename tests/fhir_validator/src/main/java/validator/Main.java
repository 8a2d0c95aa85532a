package validator;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.serializer.FhirResourceDeserializer;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.hapi.fhir.cdshooks.api.json.CdsServiceResponseJson;
import ca.uhn.hapi.fhir.cdshooks.api.json.CdsServiceResponseSuggestionActionJson;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * Reads {@code {"name", "resource"}} lines from standard input and answers each with a line
 * {@code {"name", "valid", "errors"}} on standard output. A line {@code {"name", "response"}} holds the answer of a
 * service, which HAPI's own classes of CDS Hooks must be able to read. Warnings are left out: without a terminology server
 * every LOINC, RxNorm and SNOMED CT code is "unknown". Needs no network.
 */
public final class Main {
    /** Keeps 1.50 as 1.50: the scale of a FHIR decimal has a meaning. */
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();

    /** An action that deletes names the resource since CDS Hooks 2.0; HAPI's class is older than that. */
    @JsonIgnoreProperties("resourceId")
    private interface Deleting {}

    private Main() {}

    public static void main(String[] args) throws IOException {
        var fhir = FhirContext.forR4();
        var validator = validator(fhir);
        var hooks = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .addMixIn(CdsServiceResponseSuggestionActionJson.class, Deleting.class)
                .addModule(new SimpleModule().addDeserializer(IBaseResource.class, new FhirResourceDeserializer(fhir)))
                .build();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line; (line = in.readLine()) != null; ) {
            if (!line.isBlank()) {
                var asked = JSON.readTree(line);
                var errors = asked.has("response")
                        ? unread(hooks, asked.required("response"))
                        : errors(validator, asked.required("resource").toString());
                out.println(JSON.writeValueAsString(answer(asked.required("name").textValue(), errors)));
            }
        }
    }

    private static FhirValidator validator(FhirContext fhir) {
        var module = new FhirInstanceValidator(new ValidationSupportChain(
                new DefaultProfileValidationSupport(fhir),
                new CommonCodeSystemsTerminologyService(fhir),
                new InMemoryTerminologyServerValidationSupport(fhir)));
        module.setAnyExtensionsAllowed(true);
        module.setErrorForUnknownProfiles(false);
        module.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
        return fhir.newValidator().registerValidatorModule(module);
    }

    private static ObjectNode answer(String name, List<String> errors) {
        var answer = JSON.createObjectNode();
        answer.put("name", name);
        answer.put("valid", errors.isEmpty());
        errors.forEach(answer.putArray("errors")::add);
        return answer;
    }

    /** What HAPI cannot read of an answer: members it does not know, resources, cards that are lost. */
    private static List<String> unread(ObjectMapper hooks, JsonNode response) {
        try {
            var read = hooks.readValue(response.toString(), CdsServiceResponseJson.class);
            var lost = response.required("cards").size() - read.getCards().size();
            return lost == 0 ? List.of() : List.of(lost + " cards are lost");
        } catch (IOException | RuntimeException error) {
            return List.of(String.valueOf(error.getMessage()));
        }
    }

    private static List<String> errors(FhirValidator validator, String resource) {
        return validator.validateWithResult(resource).getMessages().stream()
                .filter(message -> message.getSeverity().compareTo(ResultSeverityEnum.ERROR) >= 0)
                .map(message -> message.getLocationString() + ": " + message.getMessage())
                .toList();
    }
}
